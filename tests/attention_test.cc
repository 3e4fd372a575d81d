// Attention kernels against a double softmax; and whole passes over a context of several spans, in which neither the
// number of rows nor of threads nor a tree around a row may change a bit.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/batch.h"
#include "core/engine.h"
#include "core/kernels/kernels.h"
#include "core/model.h"
#include "core/rng.h"
#include "tests/long_text.h"
#include "tests/tiny_checkpoint.h"

namespace specdec {
namespace {

constexpr int kPositions = 150;  // two chunks and a part

std::vector<float> random_floats(std::uint64_t seed, int count) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) {
    const std::uint64_t bits = Rng(seed).bits(static_cast<std::uint64_t>(i)) >> 40;
    values.push_back(static_cast<float>(bits) * 0x1p-23f - 1.0f);
  }
  return values;
}

struct Cache {
  KvLayout layout;
  std::vector<std::byte> bytes = std::vector<std::byte>(static_cast<std::size_t>(3 * layout.chunk_bytes()));
  std::byte* chunk(int position) { return bytes.data() + position / kKvChunk * layout.chunk_bytes(); }
};

// Query i sees `positions` but the last i * fewer.
std::vector<float> attend(const AttentionKernels& kernels, Cache& cache, int positions, std::span<const float> queries,
                          int fewer = 0) {
  const int dim = cache.layout.key_dim;
  const int padded = cache.layout.padded_dim();
  const int count = static_cast<int>(queries.size()) / dim;
  std::vector<float> values(static_cast<std::size_t>(count * padded));
  std::vector<QueryState> states(static_cast<std::size_t>(count));
  std::vector<QueryState*> pointers;
  std::vector<float> turned(static_cast<std::size_t>(cache.layout.turned_floats()));
  for (int i = 0; i < count; ++i) {
    QueryState& state = states[static_cast<std::size_t>(i)];
    state.query = queries.data() + i * dim;
    state.values = values.data() + i * padded;
    pointers.push_back(&state);
  }
  for (int at = 0; at < positions; at += kKvChunk) {
    std::vector<Seen> seen;
    for (int i = 0; i < count && positions - i * fewer > at; ++i) {
      seen.push_back({0, std::min(kKvChunk, positions - i * fewer - at)});
    }
    kernels.attend(cache.layout, cache.chunk(at), seen.data(), pointers.data(), static_cast<int>(seen.size()),
                   turned.data());
  }
  std::vector<float> out;
  for (const QueryState& state : states) {
    for (int d = 0; d < cache.layout.value_dim; ++d) out.push_back(state.values[d] / state.sum);
  }
  return out;
}

std::vector<double> exact(std::span<const float> keys, std::span<const float> values, int positions, int dim,
                          const float* query) {
  std::vector<double> out(static_cast<std::size_t>(dim));
  double sum = 0;
  for (int i = 0; i < positions; ++i) {
    double score = 0;
    for (int d = 0; d < dim; ++d) score += static_cast<double>(query[d]) * keys[static_cast<std::size_t>(i * dim + d)];
    sum += std::exp(score);
    for (int d = 0; d < dim; ++d) {
      out[static_cast<std::size_t>(d)] += std::exp(score) * values[static_cast<std::size_t>(i * dim + d)];
    }
  }
  for (double& value : out) value /= sum;
  return out;
}

TEST(AttentionKernels, EqualASoftmaxInDouble) {
  for (const Kernels* level : kernel_levels()) {
    const AttentionKernels& kernels = *level->attention;
    for (const auto& [type, tolerance] : {std::pair{KvType::f32, 1e-5}, {KvType::f16, 2e-3}, {KvType::q8, 3e-2}}) {
      for (const int dim : {8, 16, 30, 32, 48, 64, 80, 128}) {
        Cache cache{{type, dim, dim}};
        const auto keys = random_floats(1, kPositions * dim);
        const auto values = random_floats(2, kPositions * dim);
        const auto queries = random_floats(3, 7 * dim);
        for (int i = 0; i < kPositions; ++i) {
          kernels.store(cache.layout, cache.chunk(i), i % kKvChunk, keys.data() + i * dim, values.data() + i * dim);
        }
        for (const int positions : {1, 63, 64, 65, kPositions}) {
          const auto out = attend(kernels, cache, positions, queries);
          for (int query = 0; query < 7; ++query) {
            const std::span own =
                std::span(queries).subspan(static_cast<std::size_t>(query * dim), static_cast<std::size_t>(dim));
            const auto expected = exact(keys, values, positions, dim, own.data());
            const auto alone = attend(kernels, cache, positions, own);
            for (int d = 0; d < dim; ++d) {
              const float found = out[static_cast<std::size_t>(query * dim + d)];
              EXPECT_NEAR(found, expected[static_cast<std::size_t>(d)], tolerance)
                  << level->name << " dim " << dim << ", " << positions << " positions";
              EXPECT_EQ(found, alone[static_cast<std::size_t>(d)]) << level->name;
            }
          }
        }
      }
    }
  }
}

TEST(AttentionKernels, QueriesThatSeeLessOfAChunkThanOthersSeeTheSame) {
  constexpr int kDim = 48;
  constexpr int kQueries = 7;
  for (const Kernels* level : kernel_levels()) {
    for (const KvType type : {KvType::f32, KvType::f16, KvType::q8}) {
      Cache cache{{type, kDim, kDim}};
      const auto numbers = random_floats(1, kPositions * kDim);
      const auto queries = random_floats(3, kQueries * kDim);
      for (int i = 0; i < kPositions; ++i) {
        const float* number = numbers.data() + i * kDim;
        level->attention->store(cache.layout, cache.chunk(i), i % kKvChunk, number, number);
      }
      for (const int fewer : {1, 20}) {
        const auto out = attend(*level->attention, cache, kPositions, queries, fewer);
        for (int query = 0; query < kQueries; ++query) {
          const auto alone = attend(*level->attention, cache, kPositions - query * fewer,
                                    std::span(queries).subspan(static_cast<std::size_t>(query * kDim), kDim));
          for (int d = 0; d < kDim; ++d) {
            EXPECT_EQ(out[static_cast<std::size_t>(query * kDim + d)], alone[static_cast<std::size_t>(d)])
                << level->name << ", " << fewer << " fewer";
          }
        }
      }
    }
  }
}

// Where a latent is kept once it gives the bits of a key and a value that are kept apart, but for codes, which have one
// scale for the value and one for what rotates.
TEST(AttentionKernels, LatentsAreKeysAndValues) {
  constexpr int kQueries = 7;
  for (const Kernels* level : kernel_levels()) {
    const AttentionKernels& kernels = *level->attention;
    for (const auto& [value_dim, rotated] : {std::pair{8, 4}, {24, 8}, {32, 0}, {30, 7}, {64, 64}, {80, 16}}) {
      const int dim = value_dim + rotated;
      const auto latents = random_floats(1, kPositions * dim);
      const auto queries = random_floats(3, kQueries * dim);
      const auto attended = [&](const KvLayout& layout, int fewer) {
        Cache cache{layout};
        for (int i = 0; i < kPositions; ++i) {
          const float* latent = latents.data() + i * dim;
          kernels.store(layout, cache.chunk(i), i % kKvChunk, latent, latent);
        }
        return attend(kernels, cache, kPositions, queries, fewer);
      };
      for (const int fewer : {0, 1, 20}) {
        const auto exact = attended({KvType::f32, dim, value_dim}, fewer);
        EXPECT_EQ(attended({KvType::f32, dim, value_dim, true}, fewer), exact) << level->name << " " << dim;
        EXPECT_EQ(attended({KvType::f16, dim, value_dim, true}, fewer), attended({KvType::f16, dim, value_dim}, fewer))
            << level->name << " " << dim;
        const auto coded = attended({KvType::q8, dim, value_dim, true}, fewer);
        for (std::size_t i = 0; i < exact.size(); ++i)
          EXPECT_NEAR(coded[i], exact[i], 3e-2) << level->name << " " << dim;
      }
    }
  }
}

TEST(AttentionKernels, AnInfiniteOrMissingNumberIsNotLost) {
  for (const Kernels* level : kernel_levels()) {
    for (const KvType type : {KvType::f32, KvType::f16, KvType::q8}) {
      for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        Cache cache{{type, 16, 16}};
        const auto queries = random_floats(3, 16);
        std::vector<float> key(16, 0.5f);
        key[3] = bad;
        level->attention->store(cache.layout, cache.chunk(0), 0, key.data(), queries.data());
        EXPECT_FALSE(std::isfinite(attend(*level->attention, cache, 1, queries)[0])) << level->name << " " << bad;
      }
    }
  }
}

TEST(LongAttention, NeitherStepsNorThreadsNorBranchesChangeABit) {
  constexpr int kTokens = 1150;
  const Batch chain{{TokenId{5}, TokenId{6}, TokenId{7}}, {-1, 0, 1}};
  const Batch tree{{TokenId{5}, TokenId{6}, TokenId{9}, TokenId{8}, TokenId{7}}, {-1, 0, 0, 2, 1}};
  const TinyCheckpoint checkpoint("qwen3");
  for (const char* cache : {"f32", "f16", "q8"}) {
    std::vector<float> first;
    for (const int threads : {1, 3}) {
      Engine engine({.threads = threads, .cache = cache});
      const auto model = load_model(checkpoint.directory(), engine);
      for (const int step : {37, 200}) {
        for (const Batch& batch : {chain, tree}) {
          const auto logits = logits_after(*model, kTokens, step, batch);
          if (first.empty()) first = logits;
          EXPECT_EQ(logits, first) << cache << ", " << threads << " threads, step " << step;
        }
      }
    }
  }
}

// The rows see as many positions as longer spans begin at, one less and one more.
TEST(LongAttention, NeitherWidthNorThreadsChangeABitWhereSpansGrow) {
  constexpr int kTokens = 8190;
  const auto token = [](int position) { return TokenId{position * 31 % kTinyVocab}; };  // of the long text
  const TokenId before = token(kTokens), at = token(kTokens + 1), beyond = token(kTokens + 2);
  const Batch chain{{before, at, beyond}, {-1, 0, 1}};
  const Batch tree{{before, at, TokenId{9}, TokenId{8}, beyond}, {-1, 0, 0, 2, 1}};
  const TinyCheckpoint checkpoint("qwen3");
  Engine one({.threads = 1}), three({.threads = 3});
  const auto model = load_model(checkpoint.directory(), one);
  const auto shared = load_model(checkpoint.directory(), three);
  const auto expected = logits_after(*model, kTokens + 2, 500, {{beyond}, {-1}});
  EXPECT_EQ(logits_after(*shared, kTokens, 512, chain), expected);
  EXPECT_EQ(logits_after(*shared, kTokens, 512, tree), expected);
}

// A ring that a pass made wide enough for the whole text, or that was filled anew many times.
TEST(SlidingWindow, KeepsWhatIsSeenWhateverTheWidthOfPasses) {
  constexpr int kTokens = 700;
  const Batch tree{{TokenId{5}, TokenId{6}, TokenId{9}, TokenId{8}, TokenId{7}}, {-1, 0, 0, 2, 1}};
  for (const char* name : {"gpt_oss", "gemma3", "mistral"}) {
    const TinyCheckpoint checkpoint(name);
    const std::filesystem::path path = checkpoint.directory() / "config.json";
    nlohmann::json config = nlohmann::json::parse(std::ifstream(path));
    for (const int window : {8, 64, 65, 200}) {
      config["sliding_window"] = window;
      std::ofstream(path) << config;
      Engine engine({.threads = 1});
      const auto model = load_model(checkpoint.directory(), engine);
      const auto whole = logits_after(*model, kTokens, kTokens, tree);
      for (const int step : {1, 37, 200}) {
        EXPECT_EQ(logits_after(*model, kTokens, step, tree), whole)
            << name << ", window " << window << ", step " << step;
      }
    }
  }
}

// One follows the text, the other more pending rows than a window and all spans of one have room for.
TEST(SlidingWindow, RowsOfAPassMayLieFarApart) {
  constexpr int kPending = 2500;
  const TinyCheckpoint checkpoint("mistral");
  std::vector<TokenId> tokens(kPending);
  for (int i = 0; i < kPending; ++i) tokens[static_cast<std::size_t>(i)] = TokenId{i * 31 % kTinyVocab};
  const TokenId near{5}, far{6};
  for (const int threads : {1, 4}) {
    Engine engine({.threads = threads});
    const auto model = load_model(checkpoint.directory(), engine);
    const auto logits_of = [&](const Batch& batch) {
      const auto state = model->new_state(kPending + 8);
      model->forward(chain_of(tokens), *state, {});
      const MatView logits = model->forward(batch, *state, {}).logits;
      return std::vector<float>(logits.data(), logits.data() + logits.size());
    };
    std::vector<float> apart = logits_of({{near}, {-1}});
    const std::vector<float> second = logits_of({{far}, {kPending - 1}});
    apart.insert(apart.end(), second.begin(), second.end());
    EXPECT_EQ(logits_of({{near, far}, {-1, kPending - 1}}), apart) << threads << " threads";
  }
}

TEST(SlidingWindow, TakesNoMoreMemoryInALongText) {
  const TinyCheckpoint checkpoint("mistral");  // all layers see 8 positions
  Engine engine({.threads = 1});
  const auto model = load_model(checkpoint.directory(), engine);
  const auto state = model->new_state(1 << 20);
  EXPECT_EQ(state->memory_bytes(), model->new_state(4 * kKvChunk)->memory_bytes());
  std::int64_t early = 0;
  while (state->length() < 1500) {
    model->forward({{TokenId{1}, TokenId{2}}, {-1, 0}}, *state, {});
    state->commit(std::array{0, 1});
    if (state->length() == 10) early = state->memory_bytes();
  }
  EXPECT_EQ(state->memory_bytes(), early);
}

TEST(StateMemory, FollowsTheCacheAndTheWidestPass) {
  constexpr int kCapacity = 4 * kKvChunk;
  const TinyCheckpoint checkpoint("qwen3");
  std::vector<std::int64_t> of_cache;
  for (const char* cache : {"q8", "f16", "f32"}) {
    Engine engine({.threads = 1, .cache = cache});
    const auto model = load_model(checkpoint.directory(), engine);
    const auto state = model->new_state(kCapacity);
    of_cache.push_back(state->memory_bytes());
    model->forward({{TokenId{1}}, {-1}}, *state, {});
    const std::int64_t narrow = state->memory_bytes();
    model->forward({std::vector<TokenId>(32), std::vector<int>(32, -1)}, *state, {});
    EXPECT_GT(narrow, of_cache.back());
    EXPECT_GT(state->memory_bytes(), narrow);
  }
  EXPECT_LT(of_cache[0], of_cache[1]);
  EXPECT_EQ(of_cache[1] * 2, of_cache[2]);
}

}  // namespace
}  // namespace specdec
