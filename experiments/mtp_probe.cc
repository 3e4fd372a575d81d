#include "experiments/mtp_probe.h"

#include <algorithm>
#include <tuple>

#include "core/batch.h"
#include "core/distribution.h"
#include "core/error.h"

namespace specdec {
namespace {

constexpr std::size_t kMostTokens = 128, kRows = 32;

std::vector<HeadReading> all_readings() {
  std::vector<HeadReading> all;
  for (const bool states : {true, false}) {
    for (const bool embedding : {true, false}) {
      for (const bool carried : {true, false}) all.push_back({states, embedding, carried});
    }
  }
  return all;
}

// What the target makes of the text, row by row.
class Teacher {
 public:
  Teacher(const Model& target, std::span<const TokenId> text) : text_(text), hidden_(target.info().hidden) {
    const auto state = target.new_state(static_cast<int>(text.size()));
    const Taps taps{.layers = {-1, target.info().layers - 1}};
    for (auto rest = text; !rest.empty();) {
      const auto tokens = rest.first(std::min(rest.size(), kRows));
      const Output out = target.forward(chain_of(tokens), *state, taps);
      for (Eigen::Index row = 0; row < out.logits.rows(); ++row) {
        laws_.push_back(Sampler{.temperature = 1}.distribution(row_span(out.logits, row)));
      }
      normed_.insert(normed_.end(), out.hidden[0].data(), out.hidden[0].data() + out.hidden[0].size());
      raw_.insert(raw_.end(), out.hidden[1].data(), out.hidden[1].data() + out.hidden[1].size());
      state->commit(whole_chain(static_cast<int>(tokens.size())));
      rest = rest.subspan(tokens.size());
    }
  }

  // Guess `row` of `guesses` is for the token after text[row + ahead].
  GuessScore score(const MatView& guesses, std::span<const TokenId> columns, std::size_t ahead) const {
    GuessScore score;
    const auto rows = static_cast<std::size_t>(guesses.rows());
    for (std::size_t row = 0; row < rows; ++row) {
      const Distribution& law = laws_[row + ahead];
      const Distribution guess = Sampler{.temperature = 1}.distribution(
          row_span(guesses, static_cast<Eigen::Index>(row)), columns, law.size());
      score.agreement += guess.likeliest() == law.likeliest();
      score.acceptance += sum_min(law, guess);
    }
    score.agreement /= static_cast<double>(rows);
    score.acceptance /= static_cast<double>(rows);
    return score;
  }

  ReadingScore score(const DraftHead& head, const HeadReading& reading) const {
    const std::vector<float>& states = reading.normed_states ? normed_ : raw_;
    const auto state = head.new_state(2 * static_cast<int>(text_.size()));
    const std::span<const TokenId> first = text_.subspan(1);
    const Output told =
        head.forward(chain_of(first), rows(states, first.size()), HeadStates::of_target, *state, LogitRows::all);
    ReadingScore found{reading, score(told.logits, head.head_tokens(), 1), {}};

    const std::span<const TokenId> second = text_.subspan(2);
    const std::vector<float> carried(told.hidden[0].data(), told.hidden[0].data() + told.hidden[0].size());
    const Batch guesses{{second.begin(), second.end()}, whole_chain(static_cast<int>(second.size()))};
    const Output out = head.forward(guesses, rows(carried, second.size()), HeadStates::carried, *state, LogitRows::all);
    found.second = score(out.logits, head.head_tokens(), 2);
    return found;
  }

 private:
  MatView rows(const std::vector<float>& values, std::size_t count) const {
    return MatView(values.data(), static_cast<Eigen::Index>(count), hidden_);
  }

  std::span<const TokenId> text_;
  Eigen::Index hidden_;
  std::vector<Distribution> laws_;
  std::vector<float> normed_, raw_;  // (tokens, hidden): after the final norm, of the last layer
};

std::string text_of(const ReadingScore& score) {
  return fmt::format("{} {:.2f} then {:.2f} (accepted {:.2f}, {:.2f})", name_of(score.reading), score.first.agreement,
                     score.second.agreement, score.first.acceptance, score.second.acceptance);
}

}  // namespace

MtpProbe probe_mtp(const Model& target, std::span<const TokenId> text) {
  constexpr std::size_t kFewestTokens = 3;
  const DraftHead* head = target.mtp();
  if (head == nullptr) throw Error("{} has no multi-token-prediction layer to read", target.info().path);
  text = text.first(std::min({text.size(), kMostTokens, static_cast<std::size_t>(target.info().context)}));
  if (text.size() < kFewestTokens) {
    throw Error("{} tokens to try an MTP layer on: expected {} or more", text.size(), kFewestTokens);
  }
  const Teacher teacher(target, text);
  MtpProbe probe{.scores = {}, .positions = static_cast<int>(text.size()) - 1};
  for (const HeadReading& reading : all_readings()) {
    const std::unique_ptr<DraftHead> read = head->with(reading);
    if (read == nullptr) throw Error("{}: its MTP layer is read in one way only", target.info().path);
    probe.scores.push_back(teacher.score(*read, reading));
  }
  std::ranges::stable_sort(probe.scores, std::ranges::greater{}, [](const ReadingScore& score) {
    return std::tuple(score.first.acceptance, score.second.acceptance);
  });
  return probe;
}

HeadReading parse_reading(std::string_view text) {
  HeadReading reading;
  struct {
    std::string_view yes, no;
    bool& choice;
    bool named = false;
  } choices[]{{"after-norm", "before-norm", reading.normed_states},
              {"embedding-first", "hidden-first", reading.embedding_first},
              {"carry-normed", "carry-raw", reading.normed_carried}};
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t end = std::min(text.find('+', from), text.size());
    const std::string_view name = text.substr(from, end - from);
    const auto found = std::ranges::find_if(choices, [&](const auto& of) { return of.yes == name || of.no == name; });
    if (found == std::end(choices)) {
      throw UsageError(
          "drafter mtp: convention={}: expected auto, probe, or one or more of before-norm, hidden-first and "
          "carry-raw, "
          "joined by +",
          text);
    }
    if (found->named && found->choice != (found->yes == name)) {
      throw UsageError("drafter mtp: convention={}: {} and {} exclude each other; expected one of them", text,
                       found->yes, found->no);
    }
    found->choice = found->yes == name;
    found->named = true;
    from = end + 1;
  }
  return reading;
}

std::string text_of(const MtpProbe& probe) {
  std::string text = fmt::format("MTP reads {}: agreement {:.2f} at {} positions, {:.2f} of guesses after guesses; ",
                                 name_of(probe.best().reading), probe.best().first.agreement, probe.positions,
                                 probe.best().second.agreement);
  text += "candidates: ";
  for (const ReadingScore& score : probe.scores) text += (&score == &probe.scores.front() ? "" : "; ") + text_of(score);
  return text;
}

}  // namespace specdec
