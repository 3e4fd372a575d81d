// specdec sweep: runs the trials of an experiment into a store, from where it was.
#include "experiments/sweep.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <optional>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/terminal_width.h"
#include "core/error.h"
#include "experiments/duration.h"
#include "experiments/job_array.h"
#include "experiments/sweep_forecast.h"

namespace specdec {
namespace {

constexpr int kInterrupted = 130;  // as of a program that SIGINT ends

struct Shard {
  int number = 1, of = 1;
};

Shard parse_shard(const std::string& text) {
  Shard shard;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, shard.number);
  if (first.ec == std::errc{} && first.ptr != end && *first.ptr == '/') {
    const auto second = std::from_chars(first.ptr + 1, end, shard.of);
    if (second.ec == std::errc{} && second.ptr == end && shard.number >= 1 && shard.number <= shard.of) return shard;
  }
  throw UsageError("--shard {}: expected I/N with 1 <= I <= N, such as 1/4", text);
}

std::string speed_text(const Interval& speed_up) {
  return speed_up.low == speed_up.low
             ? fmt::format("{:.2f}x ({:.2f} to {:.2f})", speed_up.value, speed_up.low, speed_up.high)
             : fmt::format("{:.2f}x", speed_up.value);
}

class Sweep : public Job {
 public:
  std::vector<Option> options() override {
    return {
        {"config", &words_,
         "a config file or the name of an experiment that comes along; submit FILE: print a job array instead",
         Option::Presence::positional},
        {"store", &store_, "the SQLite file that keeps the results"},
        {"dry-run", &dry_run_, "list the trials and how long they will take, and run none"},
        {"until", &until_, "ci=0.02: an arm ends when its speed-up is known to 2 %, after 3 repeats at least"},
        {"shard", &shard_, "I/N: only the I-th of N parts of the trials"},
        {"small", &small_, "one prompt per domain, one repeat, short texts: whether it runs, as experiment NAME-small"},
        {"schema", &schema_, "print the JSON Schema of config files"},
        {"slurm", &slurm_, "with submit: a batch script for sbatch"},
        {"gnu-parallel", &parallel_, "with submit: a script that runs GNU parallel"},
        {"jobs", &jobs_, "with submit: parts that the trials are cut into"}};
  }

  int run() override {
    if (schema_) {
      fmt::print("{}", sweep_schema());
      return 0;
    }
    const bool submits = !words_.empty() && words_.front() == "submit";
    if (words_.size() != (submits ? 2 : 1))
      throw UsageError("specdec sweep: expected one config file, or: submit FILE; see specdec sweep --help");
    SweepOptions options;
    if (until_) options.until = parse_until(*until_);
    if (shard_) {
      const Shard shard = parse_shard(*shard_);
      options.shard = shard.number;
      options.shards = shard.of;
    }
    SweepConfig config = read_sweep_config(words_.back());
    if (small_) config = small_of(std::move(config));
    if (submits) return submit(config);
    if (slurm_ || parallel_) throw UsageError("--slurm and --gnu-parallel are for: specdec sweep submit FILE");
    return dry_run_ ? list(config, options) : sweep(config, options);
  }

 private:
  int submit(const SweepConfig& config) const {
    if (slurm_ == parallel_) throw UsageError("specdec sweep submit: expected one of --slurm and --gnu-parallel");
    if (jobs_ < 1) throw UsageError("--jobs {}: expected 1 or more", jobs_);
    if (shard_ || dry_run_)
      throw UsageError("specdec sweep submit: --shard and --dry-run are for a sweep that runs here");
    const JobArray jobs{words_.back(), store_, until_.value_or(""), config.name, jobs_, small_};
    fmt::print("{}", slurm_ ? slurm_script(jobs) : parallel_script(jobs));
    return 0;
  }

  int list(const SweepConfig& config, const SweepOptions& options) const {
    const bool has_store = std::filesystem::exists(store_);
    std::optional<ResultStore> store;
    if (has_store) store.emplace(store_, ResultStore::Mode::read);
    const std::vector<TrialKey> order = order_of(config, options.shard, options.shards);
    fmt::print("{}: {} arms x {} repeats = {} trials{}\n\n", config.name, config.arms.size(), config.repeats,
               config.arms.size() * static_cast<std::size_t>(config.repeats),
               options.shards == 1
                   ? ""
                   : fmt::format(", {} of them in part {}/{}", order.size(), options.shard, options.shards));
    for (const Setting& arm : config.arms) fmt::print("  {}\n", label_of(arm, config.axes));
    std::fflush(stdout);
    const SweepForecast forecast = forecast_of(config, store ? &*store : nullptr, options);
    for (const std::string& failed : forecast.failed) fmt::print(stderr, "specdec: note: {}\n", failed);
    fmt::print("\nabout {} for what is not in {} yet\n", duration_text(forecast.seconds), store_);
    return forecast.failed.empty() ? 0 : 1;
  }

  int sweep(const SweepConfig& config, const SweepOptions& options) {
    ResultStore store(store_, ResultStore::Mode::write);
    const Interrupt interrupt;
    const bool live = isatty(STDOUT_FILENO) == 1;
    const SweepCalls calls{
        .go_on = [&] { return interrupt.came() ? Continue::no : Continue::yes; },
        .on_trial = [&](const SweepProgress& progress) { show(progress, live); },
        .on_note = [&](const std::string& note) { fmt::print(stderr, "specdec: note: {}\n", note); }};
    const SweepOutcome outcome = run_sweep(config, store, options, calls);
    if (live && outcome.ran > 0) fmt::print("\n");
    const std::string again =
        sweep_command({words_.back(), store_, until_.value_or(""), config.name, jobs_, small_}, shard_.value_or(""));
    fmt::print("{} of {} trials are in {}", outcome.finished, outcome.total, store_);
    if (outcome.not_needed > 0) fmt::print(", {} are not needed: their arms ended early", outcome.not_needed);
    if (outcome.ran > 0) {
      fmt::print("; {} of them ran now, in {}, {:.1f} % of it beside decoding", outcome.ran,
                 duration_text(outcome.wall_s), 100 * (1 - outcome.measured_s / outcome.wall_s));
    }
    fmt::print("\n");
    if (outcome.interrupted) {
      fmt::print("interrupted; go on with: {}\n", again);
      return kInterrupted;
    }
    if (outcome.running_elsewhere > 0) fmt::print("{} more run in other processes\n", outcome.running_elsewhere);
    for (const std::string& arm : outcome.failed) fmt::print("left out, since it could not be measured: {}\n", arm);
    fmt::print("see: specdec results show {} --store {}\n", config.name, store_);
    return outcome.failed.empty() ? 0 : 1;
  }

  static void show(const SweepProgress& progress, bool live) {
    const std::string line = fmt::format("{}/{} trials, {} left; best {} {}; last {}", progress.finished,
                                         progress.total, duration_text(progress.remaining_s),
                                         speed_text(progress.best_speed_up), progress.best, progress.arm);
    if (!progress.note.empty()) fmt::print("{}{}\n", live ? "\r\x1b[K" : "", progress.note);
    if (live) {
      fmt::print("\r\x1b[K{}", cut_to_width(line, terminal_width(STDOUT_FILENO) - 1));
    } else {
      fmt::print("{}\n", line);
    }
    std::fflush(stdout);
  }

  std::vector<std::string> words_;
  std::string store_ = "specdec.db";
  bool dry_run_ = false, small_ = false, schema_ = false, slurm_ = false, parallel_ = false;
  std::optional<std::string> until_, shard_;
  int jobs_ = 8;
};

}  // namespace

Command command_sweep() {
  return {"sweep", "run a grid of settings into a store that outlives crashes, from where it was", make_job<Sweep>,
          "; 130: interrupted, and what had ended is kept"};
}

}  // namespace specdec
