// Generated text as it arrives, in whole characters. On a terminal the prompt is dim and accepted guesses are green.
//   TextStream stream(target, TextStream::colours_for(stdout), stdout);
//   stream.prompt(ids);
//   stream.step(record);   // after every step
//   stream.finish();
#pragma once

#include <cstdio>
#include <optional>
#include <span>
#include <string>

#include "experiments/trial.h"

namespace specdec {

// What decoding gives for tokens one after the other. A checkpoint without a tokenizer has no text: its ids are shown.
class TokenText {
 public:
  explicit TokenText(const LoadedTarget& target);
  std::string add(TokenId token);
  std::string finish();

 private:
  const LoadedTarget& target_;
  std::optional<StreamDecoder> decoder_;
};

// The text that follows a prompt; an end-of-text token that ended it is no text.
std::string text_after(const LoadedTarget& target, std::span<const TokenId> prompt, std::span<const TokenId> generated,
                       std::span<const TokenId> eos);

class TextStream {
 public:
  enum class Colours { off, on };
  static Colours colours_for(std::FILE* file);  // on: a terminal, and NO_COLOR (no-color.org) is not set

  TextStream(const LoadedTarget& target, std::span<const TokenId> eos, Colours colours, std::FILE* file);

  enum class Show { nothing, text };
  void prompt(std::span<const TokenId> tokens, Show show);  // shown when the first step shows that it can be continued
  void step(const StepRecord& record);
  void finish();

 private:
  void print(const std::string& text, std::string_view colour);

  TokenText text_;
  std::string prompt_;  // not shown yet
  std::span<const TokenId> eos_;
  Colours colours_;
  bool guesses_shown_ = false;
  std::FILE* file_;
};

}  // namespace specdec
