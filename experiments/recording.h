// What every pass of a run showed: the guesses with the laws that they were drawn from, and the target's logits after
// each. The lines of `specdec run --record`: those of --trace with the keys `guesses` and `logits` added.
//   Recorder recorder({.top = 64, .temperature = 1});
//   options.on_pass = [&](const DraftTree& tree, const MatView& logits) { recorder.pass(tree, logits); };
//   const Recording recording = read_recording("run.jsonl");
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/distribution.h"
#include "core/tensor.h"
#include "core/tree.h"

namespace specdec {

// top: the so many likeliest tokens of each law and all that was guessed, with what the others have together; 0 = all.
struct RecordDetail {
  int top = 0;
  double temperature = 1;  // that the others' logit is for
};

class Recorder {
 public:
  explicit Recorder(const RecordDetail& detail) : detail_(detail) {}
  void pass(const DraftTree& tree, const MatView& logits);
  const RecordDetail& detail() const { return detail_; }
  // A JSON object of what the line of each step has besides the trace's.
  const std::vector<std::string>& passes() const { return passes_; }

 private:
  RecordDetail detail_;
  std::vector<std::string> passes_;
};

// Tokens that are not recorded are one more token, whose number is the vocabulary's size.
struct RecordedRow {
  std::vector<TokenId> tokens;  // ascending; empty: all
  std::vector<float> logits;
  Distribution law(const Sampler& sampler, int size) const;
};

struct RecordedStep {
  DraftTree tree;
  std::vector<RecordedRow> rows;  // of each node
  std::vector<int> path;
  std::vector<TokenId> emitted;
};

struct Recording {
  std::string path;
  Sampler sampler{};
  std::uint64_t seed = 1;
  std::string rule, target, drafter;  // the drafter: KIND or KIND:PATH
  int k = 0;                          // guesses of a pass at most; 0: not recorded, or none
  std::string tree{}, policy{};       // as text of --draft; empty: not recorded, or none
  std::vector<TokenId> eos;
  int vocab = 0;
  int verify_experts = 0;  // of SessionOptions: then the laws of its passes are not the target's; 0 = all
  RecordDetail detail{};
  std::vector<RecordedStep> steps;

  int law_size() const { return vocab + (detail.top > 0 ? 1 : 0); }
};
// Throws Error naming the line and what is wrong in it.
Recording read_recording(const std::filesystem::path& path);

}  // namespace specdec
