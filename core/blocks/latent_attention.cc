#include "core/blocks/latent_attention.h"

#include <algorithm>
#include <array>

#include "core/blocks/cache_attention.h"
#include "core/blocks/norm.h"
#include "core/error.h"
#include "core/kernels/kernels.h"
#include "core/pool.h"

namespace specdec {

namespace {

constexpr float kNormEps = 1e-6f;  // of the norms of latents, whatever the model's is

struct LatentCache : LayerCache {
  KvCache latents;  // with one key head: the latent and the rotated key
  std::optional<IndexKeys> index_keys;

  LatentCache(const KvLayout& layout, int capacity) : latents(1, layout, capacity) {}
  std::int64_t memory_bytes() const override { return latents.memory_bytes() + (index_keys ? index_keys->bytes() : 0); }
  void commit(int length, std::span<const int> path) override {
    latents.commit(length, path);
    if (index_keys) index_keys->commit(length, path);
  }
};

struct LatentScratch {
  Buffer<float> query_latents, absorbed;
  ActivationBuffer query_activations;
  Buffer<Product> head_products;

  std::int64_t bytes() const { return bytes_of(query_latents, absorbed, query_activations, head_products); }
};

}  // namespace

// The rows of a pass between the products and the cache.
struct LatentAttention::Rows {
  const LatentAttention& block;
  const Pass& pass;
  KvCache& cache;
  ActivationBuffer& query_activations;
  float* query_latents;  // (rows, q_rank)
  float* latents;        // (rows, kv_rank + rope_dims)
  float* queries;        // (rows, heads, nope + rope_dims)
  float* absorbed;       // (rows, heads, kv_rank + rope_dims)

  const LatentSpec& spec() const { return block.spec_; }
  const Kernels& kernels() const { return pass.engine.kernels(); }

  void finish_query_latent(std::int64_t row) const {
    if (spec().q_rank == 0) return;
    float* latent = query_latents + row * spec().q_rank;
    add_bias(block.q_a_bias_, 0, spec().q_rank, latent);
    kernels().rms_norm(latent, block.q_norm_.data(), spec().q_rank, kNormEps, latent);
    activate_part(pass.engine, query_latents, row, spec().q_rank, 0, spec().q_rank, query_activations);
  }

  void place(std::int64_t row) const {
    float* latent = latents + row * spec().key_dim();
    add_bias(block.kv_a_bias_, 0, spec().key_dim(), latent);
    kernels().rms_norm(latent, block.kv_norm_.data(), spec().kv_rank, kNormEps, latent);
    pass.rotate(spec().rope, row, latent + spec().kv_rank);
    const int slot = pass.slot(row);
    kernels().attention->store(cache.layout(), cache.chunk(0, slot), slot % kKvChunk, latent, nullptr);
  }

  // Of absorbed queries of a head: elements [first, last), and what rotates along with the first.
  void finish_query(int head, std::int64_t first, std::int64_t last) const {
    for (std::int64_t row = 0; row < pass.count(); ++row) {
      float* done = absorbed + (row * spec().heads + head) * spec().key_dim();
      for (std::int64_t i = first; i < last; ++i) done[i] *= spec().scale;
      if (first > 0) continue;
      float* rotated = queries + row * spec().q_size() + head * spec().q_dim() + spec().nope;
      pass.rotate(spec().rope, row, rotated);
      for (int i = 0; i < spec().rope_dims; ++i) done[spec().kv_rank + i] = rotated[i] * spec().scale;
    }
  }
};

LatentAttention::LatentAttention(WeightFile& file, const std::string& path, const LatentSpec& spec, int hidden)
    : spec_(spec) {
  const bool of_latents = spec.q_rank > 0;
  if (of_latents) {
    q_a_ = file.linear(path + ".q_a_proj", {spec.q_rank, hidden});
    q_norm_ = load_norm(file, path + ".q_a_layernorm.weight", spec.q_rank);
  }
  q_ = file.linear(path + (of_latents ? ".q_b_proj" : ".q_proj"), {spec.q_size(), of_latents ? spec.q_rank : hidden});
  kv_a_ = file.linear(path + ".kv_a_proj_with_mqa", {spec.key_dim(), hidden});
  kv_norm_ = load_norm(file, path + ".kv_a_layernorm.weight", spec.kv_rank);
  load_heads(file, path);
  o_ = file.linear(path + ".o_proj", {hidden, spec.value_size()});
  if (spec.biased) {
    if (of_latents) q_a_bias_ = file.vector(path + ".q_a_proj.bias", spec.q_rank);
    kv_a_bias_ = file.vector(path + ".kv_a_proj_with_mqa.bias", spec.key_dim());
    o_bias_ = file.vector(path + ".o_proj.bias", hidden);
  }
  if (spec.indexer && spec.choice != LatentSpec::Choice::borrowed) {
    indexer_.emplace(file, path + ".indexer", *spec.indexer, hidden, spec.q_rank);
  }
}

// kv_b_proj, or as MLX stores it: keys and values apart, and the map of keys transposed already.
void LatentAttention::load_heads(WeightFile& file, const std::string& path) {
  const std::int64_t rank = spec_.kv_rank;
  if (file.has_prefix(path + ".embed_q.")) {
    const Weight keys = file.table(path + ".embed_q", {spec_.heads, rank, spec_.nope});
    const Weight values = file.table(path + ".unembed_out", {spec_.heads, spec_.value, rank});
    for (int head = 0; head < spec_.heads; ++head) {
      to_latent_.push_back(file.packed(keys.rows(head * rank, rank)));
      to_value_.push_back(file.packed(values.rows(static_cast<std::int64_t>(head) * spec_.value, spec_.value)));
    }
    return;
  }
  const std::int64_t of_head = spec_.nope + spec_.value;
  const Weight kv_b = file.table(path + ".kv_b_proj", {spec_.heads * of_head, rank});
  for (int head = 0; head < spec_.heads; ++head) {
    to_latent_.push_back(file.transposed(kv_b.rows(head * of_head, spec_.nope)));
    to_value_.push_back(file.packed(kv_b.rows(head * of_head + spec_.nope, spec_.value)));
  }
}

std::unique_ptr<LayerCache> LatentAttention::new_cache(const Engine& engine, int capacity) const {
  const KvLayout layout{.type = engine.cache(), .key_dim = spec_.key_dim(), .value_dim = spec_.kv_rank, .latent = true};
  auto cache = std::make_unique<LatentCache>(layout, capacity);
  if (indexer_) cache->index_keys.emplace(spec_.indexer->head_dim, capacity);
  return cache;
}

const char* LatentAttention::why_never_skipped() const {
  return indexer_ && spec_.choice == LatentSpec::Choice::lent ? "its indexer chooses for layers after it" : nullptr;
}

void LatentAttention::add(const Pass& pass, int layer, const float* normed, float* x) const {
  const Engine& engine = pass.engine;
  auto& mixer = pass.scratch<MixerScratch>();
  auto& scratch = pass.scratch<LatentScratch>();
  const std::int64_t count = pass.count();
  const std::int64_t absorbed_size = static_cast<std::int64_t>(spec_.heads) * spec_.key_dim();
  const std::int64_t attended_size = static_cast<std::int64_t>(spec_.heads) * spec_.kv_rank;
  auto& cache = static_cast<LatentCache&>(*pass.state.cache(layer));
  float* queries = mixer.query.get(count * spec_.q_size());
  float* query_latents = scratch.query_latents.get(count * spec_.q_rank);
  float* latents = mixer.new_keys.get(count * spec_.key_dim());
  float* absorbed = scratch.absorbed.get(count * absorbed_size);
  float* attended = mixer.attended.get(count * attended_size);
  float* values = mixer.new_values.get(count * spec_.value_size());

  const bool of_latents = spec_.q_rank > 0;
  const Activations read = activate(engine, normed, count, kv_a_.in, pass.buffers().activations);
  std::array down{Product{&kv_a_, read, nullptr, count, latents, kv_a_.out},
                  of_latents ? Product{&q_a_, read, nullptr, count, query_latents, q_a_.out}
                             : Product{&q_, read, nullptr, count, queries, q_.out}};
  if (of_latents) make_room(engine, count, spec_.q_rank, scratch.query_activations);
  std::array up{Product{&q_, activations_in(engine, query_latents, spec_.q_rank, scratch.query_activations), nullptr,
                        count, queries, q_.out}};
  const std::span into(scratch.head_products.get(2 * spec_.heads), static_cast<std::size_t>(spec_.heads));
  const std::span out_of(into.data() + spec_.heads, into.size());
  for (int head = 0; head < spec_.heads; ++head) {
    const auto i = static_cast<std::size_t>(head);
    const Activations query{.x = queries + head * spec_.q_dim(), .stride = spec_.q_size(), .q8 = std::nullopt};
    into[i] = {&to_latent_[i], query, nullptr, count, absorbed + head * spec_.key_dim(), absorbed_size};
    const Activations of_head{.x = attended + head * spec_.kv_rank, .stride = attended_size, .q8 = std::nullopt};
    out_of[i] = {&to_value_[i], of_head, nullptr, count, values + head * spec_.value, spec_.value_size()};
  }
  const std::int64_t down_tasks = plan(engine, down);
  const std::int64_t up_tasks = of_latents ? plan(engine, up) : 0;
  const std::int64_t into_tasks = plan(engine, into);
  const std::int64_t out_of_tasks = plan(engine, out_of);

  std::span<const RowView> sees = pass.rows;
  if (spec_.indexer) sees = indexer_ ? indexer_->lay_out(pass) : pass.state.choice();
  SPECDEC_ASSERT(sees.size() == pass.rows.size());
  if (spec_.choice == LatentSpec::Choice::lent) pass.state.share_choice(sees);
  const Rows rows{*this, pass, cache.latents, scratch.query_activations, query_latents, latents, queries, absorbed};
  const int most_seen = spec_.indexer ? std::min(spec_.indexer->top, pass.state.capacity()) : pass.state.capacity();
  const CacheAttention attention(engine, cache.latents,
                                 {.heads = spec_.heads, .query = absorbed, .attended = attended, .rows = sees},
                                 most_seen, pass.scratch<PartScratch>());
  const AddProduct output(engine, o_, o_bias_, count, values, mixer.attended_activations, x);

  const auto multiply_down = [&](std::int64_t task) { run_task(engine, down, task); };
  const auto finish_row = [&](std::int64_t row) {
    rows.finish_query_latent(row);
    rows.place(row);
  };
  const auto multiply_up = [&](std::int64_t task) { run_task(engine, up, task); };
  const auto absorb = [&](std::int64_t task) {
    run_task(engine, into, task);
    const Product& product = owner_of_task<Product>(into, task);
    const std::int64_t first = (task - product.first_task) * product.task_outputs;
    rows.finish_query(static_cast<int>(&product - into.data()), first,
                      std::min<std::int64_t>(first + product.task_outputs, spec_.kv_rank));
  };
  const auto walk = [&](std::int64_t task) { attention.walk(task); };
  const auto join = [&](std::int64_t task) { attention.join(task); };
  const auto multiply_out = [&](std::int64_t task) { run_task(engine, out_of, task); };
  const auto activate_rows = [&](std::int64_t task) { output.activate_rows(task, [](std::int64_t) {}); };
  const auto add_columns = [&](std::int64_t task) { output.run(task); };
  const std::array phases{Phase(down_tasks, multiply_down),  Phase(count, finish_row),
                          Phase(up_tasks, multiply_up),      Phase(into_tasks, absorb),
                          Phase(attention.walks(), walk),    Phase(attention.joins(), join),
                          Phase(out_of_tasks, multiply_out), Phase(output.row_tasks(), activate_rows),
                          Phase(output.tasks(), add_columns)};
  constexpr std::size_t kBeforeCache = 4;
  const std::int64_t work_before = work_of(down) + (of_latents ? work_of(up) : 0) + work_of(into);
  const std::int64_t work_after = attention.work() + work_of(out_of) + output.work();
  if (indexer_) {
    engine.pool().run_if_worth(work_before, kLeastProducts, std::span(phases).first(kBeforeCache));
    engine.lap(Part::attention);
    indexer_->choose(pass, *cache.index_keys, normed, query_latents);
    engine.pool().run_if_worth(work_after, kLeastProducts, std::span(phases).subspan(kBeforeCache));
  } else {
    engine.pool().run_if_worth(work_before + work_after, kLeastProducts, phases);
  }
  engine.lap(Part::attention);
}

}  // namespace specdec
