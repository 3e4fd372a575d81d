// Toys for laws that hold for every kind of drafter.
//   const DrafterBench bench(64);
//   const auto drafter = bench.drafter(kind.name, {.temperature = 1});
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "draft/drafter.h"
#include "tests/kind_options.h"
#include "tests/laws/exact_law.h"
#include "tests/toy_model.h"

namespace specdec {

// What a drafter of any kind may ask for: a draft model, a head, and a target with an MTP head.
struct DrafterBench {
  ToyModel target;
  std::shared_ptr<const ToyModel> draft;
  std::shared_ptr<const ToyHead> head;

  explicit DrafterBench(int vocab, int experts = 0)
      : target({.vocab = vocab, .experts = experts, .mtp_noise = 0.8, .head_tokens = all_but_one(vocab)}),
        draft(std::make_shared<ToyModel>(ToyOptions{.vocab = vocab, .noise = 0.8})),
        head(std::make_shared<ToyHead>(ToyOptions{.vocab = vocab, .mtp_noise = 0.8, .head_tokens = all_but_one(vocab)},
                                       std::vector{0, 1})) {}

  static std::vector<TokenId> all_but_one(int vocab) {
    std::vector<TokenId> tokens;
    for (int token = 0; token < vocab; ++token) {
      if (token != 2) tokens.push_back(TokenId{token});
    }
    return tokens;
  }
  std::unique_ptr<Drafter> drafter(std::string_view kind, const Sampler& sampler = {}) const {
    DrafterContext context{.target = target};
    context.draft = draft;
    context.head = head;
    context.sampler = sampler;
    context.capacity = kCapacity;
    return make_drafter({std::string(kind), "", needed_options(kind)}, std::move(context));
  }
};

}  // namespace specdec
