// Machines and links as numbers that passes are priced with, each with its source. One machine is one file,
// verify/hardware/<name>.json, one link verify/links/<name>.json; a user's own file looks the same.
//   const HardwareProfile machine = find_hardware("m3-ultra");   // or "my-machine.json"
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/named_text.h"

namespace specdec {

struct Figure {
  double value = 0;
  bool known = false;        // false: an assumption, of which `source` says what it rests on
  double low = 0, high = 0;  // what it may be
  std::string source;
};

// What decoding takes of a machine and of the engine that runs on it.
struct HardwareProfile {
  std::string name, title, engine;
  std::vector<std::string> aliases;
  Figure memory_bytes, usable_memory_bytes;
  Figure peak_bytes_per_s;        // of memory
  Figure effective_bytes_per_s;   // what kernels that read weights reach of it
  Figure flops_per_s, tile_rows;  // of a matrix product of many rows, 16 bits; rows that one tile of it has at least
  Figure pass_s;                  // whatever the pass does: host, sampling
  Figure dispatch_s;              // of each layer: starting kernels and waiting for them
  Figure row_s;                   // of each layer, for each row beyond the first: attention, states, elementwise work
  Figure repeat_share;  // a further row on an expert that the pass reads anyway, in times of reading it: 0 = read once
  Figure switch_share;  // more rows take other kernels: what that adds, in times of reading a row's weights
  Figure switch_rows;   // from so many rows on
  Figure sparse_s;      // more than one row, each layer with sparse attention (an index of positions): what that adds
  Figure step_s;        // of a step that guesses: judging, taking rows back, what plain decoding does meanwhile
  Figure link_bytes_per_s, link_latency_s;  // to the next machine or device
  Figure disk_bytes_per_s;
};

// What an engine does otherwise than the one that a machine's profile names, on whatever machine: one file,
// verify/engines/<name>.json, of some of the machine's figures.
struct EngineProfile {
  std::string name, title;
  std::vector<std::pair<Figure HardwareProfile::*, Figure>> figures;
};
HardwareProfile run_by(const EngineProfile& engine, HardwareProfile machine);

struct LinkProfile {
  std::string name, title;
  Figure bytes_per_s, latency_s;  // in one direction; of a message, all software included
};

// The figures that a file must give: a value and its source, or null, what is assumed instead, and why. `low` and
// `high` may be left out: then it may be `spread` times more or less.
template <typename Profile>
struct ProfileField {
  std::string_view name, unit;
  Figure Profile::*figure;
  double spread;
};
std::span<const ProfileField<HardwareProfile>> hardware_fields();
std::span<const ProfileField<LinkProfile>> link_fields();

// Throws Error if a field is missing, unknown or no number in its range.
HardwareProfile read_hardware(const ConfigReader& file, std::string name);
LinkProfile read_link(const ConfigReader& file, std::string name);
EngineProfile read_engine(const ConfigReader& file, std::string name);

std::span<const HardwareProfile> hardware_profiles();
std::span<const LinkProfile> link_profiles();
std::span<const EngineProfile> engine_profiles();

// By name, however it is spelled ("M3 Ultra"), or a .json file. Throws UsageError naming them.
HardwareProfile find_hardware(const std::string& name_or_file);
LinkProfile find_link(const std::string& name_or_file);
EngineProfile find_engine(const std::string& name_or_file);

// As a file that read_hardware takes.
std::string json_of(const HardwareProfile& profile);

// Generated from the files.
std::span<const NamedText> hardware_files();
std::span<const NamedText> link_files();
std::span<const NamedText> engine_files();

}  // namespace specdec
