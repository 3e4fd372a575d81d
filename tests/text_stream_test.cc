#include "cli/text_stream.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>

namespace specdec {
namespace {

const std::filesystem::path kTokenizer =
    std::filesystem::path(SPECDEC_SOURCE_DIR) / "tests/data/tokenizers/gpt2/tokenizer.json";

// A terminal or a pipe to look at.
class Screen {
 public:
  ~Screen() { std::fclose(file_); }
  std::FILE* file() const { return file_; }
  std::string shown() const {
    std::fflush(file_);
    std::rewind(file_);
    std::array<char, 4096> buffer{};
    return {buffer.data(), std::fread(buffer.data(), 1, buffer.size(), file_)};
  }

 private:
  std::FILE* file_ = std::tmpfile();
};

StepRecord step_of(std::vector<TokenId> accepted, TokenId next) {
  StepRecord record;
  record.path.resize(accepted.size() + 1);
  record.emitted = std::move(accepted);
  record.emitted.push_back(next);
  return record;
}

class TextStreams : public testing::Test {
 protected:
  std::vector<TokenId> ids(std::string_view text) const { return target_.tokenizer->encode(text); }
  TokenId id(std::string_view text) const {
    EXPECT_EQ(ids(text).size(), 1u) << text;
    return ids(text).front();
  }

  const LoadedTarget target_{"test", nullptr, load_tokenizer(kTokenizer), {}};
  const Screen screen_;
};

TEST_F(TextStreams, ColoursTellPromptAndAcceptedGuesses) {
  TextStream stream(target_, {}, TextStream::Colours::on, screen_.file());
  stream.prompt(ids("p"), TextStream::Show::text);
  EXPECT_EQ(screen_.shown(), "");
  stream.step(step_of({id("a")}, id("b")));
  EXPECT_EQ(screen_.shown(), "\x1b[2mp\x1b[0m\x1b[32ma\x1b[0mb");
  stream.finish();
  EXPECT_NE(screen_.shown().find("green: accepted guesses"), std::string::npos);
}

TEST_F(TextStreams, AFileGetsTheTextAlone) {
  EXPECT_EQ(TextStream::colours_for(screen_.file()), TextStream::Colours::off);
  TextStream stream(target_, {}, TextStream::Colours::off, screen_.file());
  stream.prompt(ids("p"), TextStream::Show::nothing);
  stream.step(step_of({id("a")}, id("b")));
  stream.finish();
  EXPECT_EQ(screen_.shown(), "ab");
}

TEST_F(TextStreams, CharactersComeWhole) {
  const std::vector<TokenId> bytes = ids("\U0001F9EE");  // an abacus: four bytes that this tokenizer does not join
  ASSERT_GT(bytes.size(), 1u);
  TextStream stream(target_, {}, TextStream::Colours::off, screen_.file());
  stream.step(step_of({}, bytes.front()));
  EXPECT_EQ(screen_.shown(), "");
  for (std::size_t i = 1; i < bytes.size(); ++i) stream.step(step_of({}, bytes[i]));
  EXPECT_EQ(screen_.shown(), "\U0001F9EE");
  stream.step(step_of({}, bytes.front()));
  stream.finish();
  EXPECT_EQ(screen_.shown(), "\U0001F9EE\uFFFD");
}

TEST_F(TextStreams, TheEndOfTheTextIsNotText) {
  const std::vector<TokenId> eos{id("z")};
  TextStream stream(target_, eos, TextStream::Colours::off, screen_.file());
  stream.step(step_of({id("a")}, id("z")));
  stream.finish();
  EXPECT_EQ(screen_.shown(), "a");
  EXPECT_EQ(text_after(target_, {}, std::vector{id("a"), id("z")}, eos), "a");
}

TEST_F(TextStreams, AnIdWithoutAPieceIsAReplacementCharacter) {
  EXPECT_EQ(text_after(target_, {}, std::vector{id("a"), TokenId{999'999}}, {}), "a\uFFFD");
}

TEST_F(TextStreams, WithoutATokenizerIdsAreShown) {
  const LoadedTarget bare{"bare", nullptr, nullptr, {}};
  EXPECT_EQ(text_after(bare, {}, std::vector{TokenId{3}, TokenId{7}}, {}), "3 7 ");
}

}  // namespace
}  // namespace specdec
