// How a target's MTP layer wants to be read, found by trying: conventions differ between implementations, the weights
// do not say which is theirs, and the wrong one shows as few accepted guesses and nothing else.
//   const MtpProbe probe = probe_mtp(*target.model, text);
//   const auto head = target.model->mtp()->with(probe.best().reading);
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/model.h"

namespace specdec {

// At one position of a text after another, with the text's own tokens before it, against the target's law there.
struct GuessScore {
  double agreement = 0;   // share whose likeliest token is the target's
  double acceptance = 0;  // sum over x of min(p(x), q(x)) at temperature 1, mean
};

struct ReadingScore {
  HeadReading reading;
  GuessScore first, second;  // the guess from the target's state, and the one from what it carried on
};

struct MtpProbe {
  std::vector<ReadingScore> scores;  // best first: by acceptance of the first guess, then of the second
  int positions = 0;
  const ReadingScore& best() const { return scores.front(); }
};

// Every HeadReading on `text`, of which up to 128 tokens are read; at least 3. Throws Error if the target has no MTP
// layer or one that is read in one way only.
MtpProbe probe_mtp(const Model& target, std::span<const TokenId> text);

// Parts of name_of joined by +; what is not named is as in HeadReading. Throws UsageError naming what there is.
HeadReading parse_reading(std::string_view text);

// "MTP reads after-norm+… : agreement 0.71 …; candidates: …", one line.
std::string text_of(const MtpProbe& probe);

}  // namespace specdec
