#include "core/blocks/ffn.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/blocks/decoder.h"
#include "core/error.h"
#include "core/kernels/kernels.h"
#include "core/pool.h"

namespace specdec {
namespace {

struct SwigluScratch {
  InnerBuffer inner;

  std::int64_t bytes() const { return inner.bytes(); }
};

struct MoeScratch {
  Buffer<float> scores, chosen_weight, shares, totals, shared_share;
  Buffer<int> chosen, heaviest, begin, rows;
  Buffer<float> latent;  // what experts read, then what they say
  ActivationBuffer latent_activations;
  InnerBuffer shared_inner;
  std::vector<Branch> branches;
  std::vector<int> wanted;  // experts of a layer, by their numbers in the store

  std::int64_t bytes() const {
    return bytes_of(scores, chosen_weight, shares, totals, shared_share, chosen, heaviest, begin, rows, latent,
                    latent_activations, shared_inner);
  }
};

// Scores of all experts -> the chosen ones, ascending, with their weights. Ties go to the lowest id.
// The rule of DeepSeek-V3 (arXiv 2412.19437, section 2.1.2) and GLM-4.5, and Qwen3's softmax.
void choose(const MoeSpec& spec, const std::vector<float>& correction, float* scores, const Kernels& kernels,
            float* choice, int* chosen, float* chosen_weight) {
  const int experts = spec.experts;
  (spec.sigmoid ? kernels.sigmoid : kernels.softmax)(scores, experts);
  float all = 0;
  for (int e = 0; e < experts; ++e) {
    all += scores[e];
    choice[e] = scores[e] + (correction.empty() ? 0.0f : correction[static_cast<std::size_t>(e)]);
  }
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  if (spec.groups > 1) {
    const int size = experts / spec.groups;
    std::array<float, kMostGroups> group_score;
    for (int g = 0; g < spec.groups; ++g) {
      float best = kNever;
      float second = kNever;
      for (int e = g * size; e < (g + 1) * size; ++e) {
        second = std::max(second, std::min(best, choice[e]));
        best = std::max(best, choice[e]);
      }
      group_score[static_cast<std::size_t>(g)] = spec.group_scored_by == 2 ? best + second : best;
    }
    for (int dropped = 0; dropped < spec.groups - spec.groups_kept; ++dropped) {
      // The last of the worst, so that a tie keeps the lowest group.
      int worst = -1;
      for (int g = 0; g < spec.groups; ++g) {
        const float score = group_score[static_cast<std::size_t>(g)];
        if (std::isinf(score) && score > 0) continue;
        if (worst < 0 || score <= group_score[static_cast<std::size_t>(worst)]) worst = g;
      }
      if (worst < 0) break;
      group_score[static_cast<std::size_t>(worst)] = std::numeric_limits<float>::infinity();
      for (int e = worst * size; e < (worst + 1) * size; ++e) choice[e] = kNever;
    }
  }
  int count = 0;  // of the best so far, best first
  for (int e = 0; e < experts; ++e) {
    if (count == spec.experts_per_token && !(choice[e] > choice[chosen[count - 1]])) continue;
    int at = count < spec.experts_per_token ? count++ : count - 1;
    for (; at > 0 && choice[e] > choice[chosen[at - 1]]; --at) chosen[at] = chosen[at - 1];
    chosen[at] = e;
  }
  std::sort(chosen, chosen + spec.experts_per_token);
  float sum = 0;
  for (int i = 0; i < spec.experts_per_token; ++i) sum += chosen_weight[i] = scores[chosen[i]];
  const float divisor = spec.normalise ? sum + (spec.sigmoid ? 1e-20f : 0.0f) : 1.0f;
  for (int i = 0; i < spec.experts_per_token; ++i) chosen_weight[i] = chosen_weight[i] / divisor * spec.scaling;
  // An expert whose score is not a number would only never be chosen.
  if (std::isnan(all)) std::fill_n(chosen_weight, spec.experts_per_token, all);
}

// The experts with the largest sums of weights over all rows, at most spec.experts_per_pass; ties go to the lowest id.
// A row's other choices become kNoExpert, and its weights again sum to what they did if the architecture normalises
// them. A row of which nothing is left takes the kept expert that it scores highest. (As MoE-Spec, arXiv 2602.16052.)
void keep_heaviest(const MoeSpec& spec, const float* scores, std::int64_t rows, MoeScratch& scratch) {
  const int experts = spec.experts;
  const int per_token = spec.experts_per_token;
  const std::int64_t slots = rows * per_token;
  int* chosen = scratch.chosen.data();
  float* weight = scratch.chosen_weight.data();
  float* total = scratch.totals.get(experts);
  int* heaviest = scratch.heaviest.get(experts);
  constexpr float kUnused = -1;
  const auto is_kept = [&](int expert) { return total[expert] >= 0; };
  std::fill_n(total, experts, kUnused);
  for (std::int64_t i = 0; i < slots; ++i) {
    const float more = weight[i] > 0 ? weight[i] : 0;  // never NaN, which has no order
    total[chosen[i]] = std::max(total[chosen[i]], 0.0f) + more;
  }
  std::iota(heaviest, heaviest + experts, 0);
  if (std::count_if(heaviest, heaviest + experts, is_kept) <= spec.experts_per_pass) return;
  std::nth_element(heaviest, heaviest + spec.experts_per_pass, heaviest + experts,
                   [&](int a, int b) { return total[a] != total[b] ? total[a] > total[b] : a < b; });
  for (int* dropped = heaviest + spec.experts_per_pass; dropped < heaviest + experts; ++dropped) {
    total[*dropped] = kUnused;
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    int* own = chosen + row * per_token;
    float* own_weight = weight + row * per_token;
    float before = 0;
    float kept = 0;
    int count = 0;
    for (int i = 0; i < per_token; ++i) {
      before += own_weight[i];
      if (is_kept(own[i])) {
        kept += own_weight[i];
        ++count;
      } else {
        own[i] = kNoExpert;
      }
    }
    if (count == per_token) continue;
    if (count == 0) {
      const float* score = scores + row * experts;
      own[0] = *std::min_element(heaviest, heaviest + spec.experts_per_pass,
                                 [&](int a, int b) { return score[a] != score[b] ? score[a] > score[b] : a < b; });
      own_weight[0] = spec.normalise ? before : score[own[0]] * spec.scaling;
    } else if (spec.normalise && kept > 0) {
      for (int i = 0; i < per_token; ++i) own_weight[i] *= before / kept;
    }
  }
}

Routes route(const Engine& engine, const MoeSpec& spec, const Moe& weights, const float* normed, std::int64_t rows,
             int hidden, MoeScratch& scratch) {
  const int experts = spec.experts;
  const int per_token = spec.experts_per_token;
  // The router in float32, whatever the engine does elsewhere: a flipped expert costs more than it saves.
  float* scores = scratch.scores.get(2 * rows * experts);
  float* choice = scores + rows * experts;
  Product router{&weights.router, {.x = normed, .stride = hidden, .q8 = std::nullopt}, nullptr, rows, scores, experts};
  multiply(engine, {&router, 1});
  int* chosen = scratch.chosen.get(rows * per_token);
  float* chosen_weight = scratch.chosen_weight.get(rows * per_token);
  const auto choose_row = [&](std::int64_t row) {
    add_bias(weights.router_bias, 0, experts, scores + row * experts);
    choose(spec, weights.correction, scores + row * experts, engine.kernels(), choice + row * experts,
           chosen + row * per_token, chosen_weight + row * per_token);
  };
  constexpr std::int64_t kLeastScores = 4096;
  engine.pool().for_each_if_worth(rows * experts, kLeastScores, rows, choose_row);
  if (spec.experts_per_pass > 0 && rows > 1) keep_heaviest(spec, scores, rows, scratch);
  return {chosen, chosen_weight};
}

// What the shared expert's results are multiplied by; null: 1. In float32, as the router.
const float* shares_of_shared(const Engine& engine, const Moe& weights, const float* normed, std::int64_t rows,
                              int hidden, MoeScratch& scratch) {
  if (!weights.shared_gate) return nullptr;
  float* shares = scratch.shared_share.get(rows);
  Product gate{&*weights.shared_gate, {.x = normed, .stride = hidden, .q8 = std::nullopt}, nullptr, rows, shares, 1};
  multiply(engine, {&gate, 1});
  engine.kernels().sigmoid(shares, rows);
  return shares;
}

// The next layer's router on this layer's input says what may be wanted there (Eliseev and Mazur, arXiv 2312.17238).
void look_ahead(const Engine& engine, const MoeSpec& spec, const Moe& next, const float* normed, std::int64_t rows,
                int hidden, MoeScratch& scratch) {
  route(engine, spec, next, normed, rows, hidden, scratch);
  int* chosen = scratch.chosen.data();
  const int* end = std::remove(chosen, chosen + rows * spec.experts_per_token, kNoExpert);
  next.store->prefetch(next.layer, {chosen, end});
}

// The branches of a mixture with a latent width: that of the shared expert reads the residual stream, those of the
// others what the latent maps make of it, and what they say together is mapped back.
void add_through_latent(const Engine& engine, const Moe& weights, const Activations& read, std::int64_t rows,
                        int hidden, MoeScratch& scratch, float* x) {
  const LatentMaps& maps = *weights.latent;
  const auto width = static_cast<int>(maps.in.out);
  std::span<Branch> branches(scratch.branches);
  if (weights.shared) {
    add_branches(engine, branches.first(1), read, rows, hidden, x);
    branches = branches.subspan(1);
    engine.lap(Part::shared);
  }
  float* inside = scratch.latent.get(2 * rows * width);
  float* sums = inside + rows * width;
  Product product{&maps.in, read, nullptr, rows, inside, width};
  multiply(engine, {&product, 1});
  for (std::int64_t row = 0; row < rows; ++row) add_bias(maps.in_bias, 0, width, inside + row * width);
  engine.lap(Part::latent);

  std::fill_n(sums, rows * width, 0.0f);
  add_branches(engine, branches, activate(engine, inside, rows, width, scratch.latent_activations), rows, width, sums);
  engine.lap(Part::experts);

  const AddProduct output(engine, maps.out, maps.out_bias, rows, sums, scratch.latent_activations, x);
  const auto activate_row = [&](std::int64_t row) { output.activate(row); };
  const auto add_columns = [&](std::int64_t task) { output.run(task); };
  engine.pool().run_if_worth(output.work(), kLeastProducts,
                             std::array{Phase(rows, activate_row), Phase(output.tasks(), add_columns)});
  engine.lap(Part::latent);
}

}  // namespace

Moe load_moe(WeightFile& file, ExpertStore& store, int layer, const std::string& path, const MoeSpec& spec,
             int hidden) {
  const MoeNames& names = spec.names;
  const std::int64_t experts = spec.experts;
  const std::int64_t width = spec.width;
  const std::string stacked = path + ".switch_mlp.";
  const std::string inside = fmt::format("{}.{}.", path, names.experts);
  Moe moe;
  moe.router = file.linear(fmt::format("{}.{}", path, names.router), {experts, hidden});
  if (spec.router_bias) moe.router_bias = file.vector(fmt::format("{}.{}.bias", path, names.router), experts);
  if (spec.sigmoid) {
    moe.correction = file.vector(fmt::format("{}.{}.e_score_correction_bias", path, names.router), experts);
  }
  const std::int64_t read = spec.latent > 0 ? spec.latent : hidden;  // by experts
  if (spec.latent > 0) {
    const auto map = [&](const char* name, std::int64_t out, std::int64_t in, Weight& weight,
                         std::vector<float>& bias) {
      weight = file.linear(fmt::format("{}.{}", path, name), {out, in});
      if (spec.biased) bias = file.vector(fmt::format("{}.{}.bias", path, name), out);
    };
    LatentMaps& maps = moe.latent.emplace();
    map("fc1_latent_proj", spec.latent, hidden, maps.in, maps.in_bias);
    map("fc2_latent_proj", hidden, spec.latent, maps.out, maps.out_bias);
  }
  moe.experts.resize(static_cast<std::size_t>(experts));
  const auto each = [&](const auto& set) {
    for (int e = 0; e < spec.experts; ++e) set(moe.experts[static_cast<std::size_t>(e)], e);
  };
  const std::string fused = inside + "gate_up_proj";
  const bool is_fused = file.has_prefix(fused);
  // Tensors of all experts: `rows` of each, one after the other.
  const auto share_out = [&](const std::string& name, std::int64_t rows, std::int64_t in, Weight Swiglu::*part,
                             std::vector<float> Swiglu::*bias) {
    if (spec.alternating) file.transpose(name, {experts, rows, in});
    const Weight all = file.table(name, {experts, rows, in});
    each([&](Swiglu& expert, int e) { expert.*part = all.rows(e * rows, rows); });
    if (!spec.expert_bias) return;
    const std::vector<float> biases = file.floats(name + (is_fused ? "_bias" : ".bias"), {experts, rows});
    each([&](Swiglu& expert, int e) {
      (expert.*bias).assign(biases.begin() + e * rows, biases.begin() + (e + 1) * rows);
    });
  };
  if (is_fused) {
    SPECDEC_ASSERT(spec.gated());
    if (spec.alternating) {
      share_out(fused, 2 * width, read, &Swiglu::up, &Swiglu::up_bias);
    } else {
      const Weight both = file.table(fused, {experts, 2 * width, read});
      each([&](Swiglu& expert, int e) {
        expert.gate = both.rows(2 * e * width, width);
        expert.up = both.rows((2 * e + 1) * width, width);
      });
    }
    share_out(inside + "down_proj", read, width, &Swiglu::down, &Swiglu::down_bias);
  } else if (file.has_prefix(stacked) || file.has_prefix(inside + names.up)) {
    const std::string& place = file.has_prefix(stacked) ? stacked : inside;
    const bool numbered = file.has_prefix(stacked + "fc1.");  // as MLX calls the two maps of an expert without gate
    if (spec.gated()) share_out(place + "gate_proj", width, read, &Swiglu::gate, &Swiglu::gate_bias);
    share_out(place + (numbered ? "fc1" : "up_proj"), width, read, &Swiglu::up, &Swiglu::up_bias);
    share_out(place + (numbered ? "fc2" : "down_proj"), read, width, &Swiglu::down, &Swiglu::down_bias);
  } else {
    each([&](Swiglu& expert, int e) {
      const auto part = [&](const std::string& name) { return fmt::format("{}{}.{}", inside, e, name); };
      if (spec.gated()) expert.gate = file.table(part(names.gate), {width, read});
      expert.up = file.table(part(names.up), {width, read});
      expert.down = file.table(part(names.down), {read, width});
      if (!spec.expert_bias) return;
      if (spec.gated()) expert.gate_bias = file.vector(part(names.gate) + ".bias", width);
      expert.up_bias = file.vector(part(names.up) + ".bias", width);
      expert.down_bias = file.vector(part(names.down) + ".bias", read);
    });
  }
  moe.store = &store;
  moe.layer = layer;
  each([&](Swiglu& expert, int e) {
    expert.activation = spec.activation;
    expert.limit = spec.limit;
    expert.alpha = spec.alpha;
    std::vector<Weight*> parts;
    for (Weight* part : {&expert.gate, &expert.up, &expert.down}) {
      if (part->out > 0) parts.push_back(part);
    }
    const int number = store.add(layer, parts);
    if (e == 0) moe.first_in_store = number;
  });
  if (spec.shared_width == 0) return moe;
  const std::string shared = fmt::format("{}.{}", path, names.shared);
  moe.shared = load_swiglu(file, shared, hidden,
                           {.width = spec.shared_width, .biased = spec.biased, .activation = spec.activation});
  if (spec.shared_gate) moe.shared_gate = file.linear(shared + "_gate", {1, hidden});
  return moe;
}

void feed_forward(const Engine& engine, const Swiglu& weights, const float* normed, std::int64_t rows, int hidden,
                  PassBuffers& buffers, float* x, const float* shares) {
  InnerBuffer& inner = buffers.scratch.of<SwigluScratch>().inner;
  inner.make_room(engine, rows, weights.width());
  Branch branch{.weights = &weights, .count = rows, .share = shares, .inner = &inner};
  add_branches(engine, {&branch, 1}, activate(engine, normed, rows, hidden, buffers.activations), rows, hidden, x);
}

void feed_forward(const Engine& engine, const MoeSpec& spec, const Moe& weights, int layer, const float* normed,
                  std::int64_t rows, int hidden, PassBuffers& buffers, float* x) {
  const Routes routes = route(engine, spec, weights, normed, rows, hidden, buffers.scratch.of<MoeScratch>());
  apply_experts(engine, spec, weights, layer, routes, normed, rows, hidden, buffers, x);
}

void apply_experts(const Engine& engine, const MoeSpec& spec, const Moe& weights, int layer, const Routes& routes,
                   const float* normed, std::int64_t rows, int hidden, PassBuffers& buffers, float* x) {
  const int experts = spec.experts;
  const int per_token = spec.experts_per_token;
  const std::int64_t choices = rows * per_token;
  const auto [chosen, chosen_weight] = routes;
  auto& scratch = buffers.scratch.of<MoeScratch>();
  for (std::int64_t i = 0; i < choices; ++i) {
    if (chosen[i] != kNoExpert) buffers.routed.push_back({static_cast<int>(i / per_token), layer, chosen[i]});
  }

  // Group by expert: the rows of expert e, and their shares, are at [begin[e], begin[e + 1]).
  int* begin = scratch.begin.get(experts + 1);
  int* rows_of = scratch.rows.get(choices);
  float* shares = scratch.shares.get(choices);
  std::fill_n(begin, experts + 1, 0);
  for (std::int64_t i = 0; i < choices; ++i) {
    if (chosen[i] != kNoExpert) ++begin[chosen[i] + 1];
  }
  std::partial_sum(begin, begin + experts + 1, begin);
  const std::int64_t slots = begin[experts];  // (row, expert) pairs, numbered by expert, then row
  for (std::int64_t i = 0; i < choices; ++i) {
    if (chosen[i] == kNoExpert) continue;
    const int slot = begin[chosen[i]]++;
    rows_of[slot] = static_cast<int>(i / per_token);
    shares[slot] = chosen_weight[i];
  }
  std::copy_backward(begin, begin + experts, begin + experts + 1);
  begin[0] = 0;
  engine.lap(Part::router);

  InnerBuffer& inner = buffers.scratch.of<SwigluScratch>().inner;
  inner.make_room(engine, slots, spec.width);
  scratch.shared_inner.make_room(engine, rows, spec.shared_width);
  scratch.branches.clear();
  scratch.branches.reserve(static_cast<std::size_t>(std::min<std::int64_t>(choices, experts) + 1));
  scratch.wanted.clear();
  scratch.wanted.reserve(static_cast<std::size_t>(std::min<std::int64_t>(choices, experts)));
  // The shared expert first: its task has all rows, and what is begun last is waited for.
  if (weights.shared) {
    scratch.branches.push_back({.weights = &*weights.shared,
                                .count = rows,
                                .share = shares_of_shared(engine, weights, normed, rows, hidden, scratch),
                                .inner = &scratch.shared_inner});
  }
  for (int e = 0; e < experts; ++e) {  // ascending: the order in which a row's results are added up
    const std::int64_t first = begin[e];
    if (begin[e + 1] == first) continue;
    scratch.wanted.push_back(weights.first_in_store + e);
    scratch.branches.push_back({.weights = &weights.experts[static_cast<std::size_t>(e)],
                                .rows = rows_of + first,
                                .count = begin[e + 1] - first,
                                .share = shares + first,
                                .inner = &inner,
                                .first_slot = first});
  }
  weights.store->bring(scratch.wanted);
  if (weights.next != nullptr && weights.store->looks_ahead()) {
    look_ahead(engine, spec, *weights.next, normed, rows, hidden, scratch);
  }
  const Activations read = activate(engine, normed, rows, hidden, buffers.activations);
  if (weights.latent) return add_through_latent(engine, weights, read, rows, hidden, scratch, x);
  add_branches(engine, scratch.branches, read, rows, hidden, x);
  const auto routed_work = static_cast<double>(slots * spec.width);
  const auto shared_work = static_cast<double>(rows * spec.shared_width);
  engine.lap(Part::experts, routed_work / (routed_work + shared_work), Part::shared);
}

void DenseBlock::add(const Pass& pass, int, const float* normed, float* x) const {
  const auto hidden = static_cast<int>(weights_.down.out);
  feed_forward(pass.engine, weights_, normed, pass.count(), hidden, pass.buffers(), x);
  pass.engine.lap(Part::dense);
}

void MoeBlock::add(const Pass& pass, int layer, const float* normed, float* x) const {
  const MoeSpec& spec = pass.spec.moe;
  const int hidden = pass.spec.hidden;
  if (spec.experts_per_token > 0) {
    feed_forward(pass.engine, spec, weights_, layer, normed, pass.count(), hidden, pass.buffers(), x);
    return;
  }
  if (weights_.shared) {
    const float* shares =
        shares_of_shared(pass.engine, weights_, normed, pass.count(), hidden, pass.scratch<MoeScratch>());
    feed_forward(pass.engine, *weights_.shared, normed, pass.count(), hidden, pass.buffers(), x, shares);
  }
  pass.engine.lap(Part::shared);
}

}  // namespace specdec
