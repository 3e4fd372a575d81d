#include "cli/text_stream.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace specdec {
namespace {

constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kPlain = "\x1b[0m";

bool holds(std::span<const TokenId> tokens, TokenId token) {
  return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
}

}  // namespace

TokenText::TokenText(const LoadedTarget& target) : target_(target) {
  if (target.tokenizer != nullptr) decoder_.emplace(*target.tokenizer);
}

std::string TokenText::add(TokenId token) {
  if (!decoder_) return fmt::format("{} ", index(token));
  if (!target_.tokenizer->vocabulary().holds(token)) return "\uFFFD";  // a padding id of the model
  return decoder_->add(token);
}

std::string TokenText::finish() { return decoder_ ? decoder_->finish() : ""; }

std::string text_after(const LoadedTarget& target, std::span<const TokenId> prompt, std::span<const TokenId> generated,
                       std::span<const TokenId> eos) {
  TokenText text(target);
  for (const TokenId token : prompt) text.add(token);
  std::string after;
  for (const TokenId token : generated) {
    if (!holds(eos, token)) after += text.add(token);
  }
  return after + text.finish();
}

TextStream::Colours TextStream::colours_for(std::FILE* file) {
  const char* unwanted = std::getenv("NO_COLOR");
  const bool wanted = unwanted == nullptr || *unwanted == '\0';
  return wanted && ::isatty(::fileno(file)) != 0 ? Colours::on : Colours::off;
}

TextStream::TextStream(const LoadedTarget& target, std::span<const TokenId> eos, Colours colours, std::FILE* file)
    : text_(target), eos_(eos), colours_(colours), file_(file) {}

void TextStream::prompt(std::span<const TokenId> tokens, Show show) {
  std::string text;
  for (const TokenId token : tokens) text += text_.add(token);
  if (show == Show::text) prompt_ = text;
}

void TextStream::step(const StepRecord& record) {
  print(std::exchange(prompt_, ""), kDim);
  for (std::size_t i = 0; i < record.emitted.size(); ++i) {
    if (holds(eos_, record.emitted[i])) break;
    const bool guessed = i < static_cast<std::size_t>(record.accepted());
    guesses_shown_ = guesses_shown_ || guessed;
    print(text_.add(record.emitted[i]), guessed ? kGreen : "");
  }
  std::fflush(file_);
}

void TextStream::finish() {
  print(text_.finish(), "");
  if (colours_ == Colours::on && guesses_shown_) {
    fmt::print(file_, "\n{}(dim: the prompt; green: accepted guesses){}", kDim, kPlain);
  }
  std::fflush(file_);
}

void TextStream::print(const std::string& text, std::string_view colour) {
  if (text.empty()) return;
  if (colours_ == Colours::off || colour.empty()) {
    fmt::print(file_, "{}", text);
  } else {
    fmt::print(file_, "{}{}{}", colour, text, kPlain);
  }
}

}  // namespace specdec
