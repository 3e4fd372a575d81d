#include "experiments/head_fit.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/files/safetensors.h"
#include "tests/error_line.h"
#include "tests/gguf_writer.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_checkpoint.h"
#include "tests/tiny_head.h"

namespace specdec {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr TinyTarget kTarget{64, 3, kTinyVocab};

class HeadFitTest : public testing::Test {
 protected:
  HeadFit fit(const TinyHead& head) const {
    head.write(directory_.path() / "head");
    return fit_head(target_, directory_.path() / "head");
  }

  // One check fails, with these words, and no other.
  void expect_refused(const TinyHead& head, std::string_view what, std::string_view words) const {
    const HeadFit found = fit(head);
    EXPECT_EQ(found.fits(), Fits::no) << what;
    EXPECT_EQ(exit_code_of(found), 4);
    EXPECT_EQ(found.use, "");
    bool told = false;
    for (const HeadCheck& check : found.checks) {
      if (check.fits != Fits::no) continue;
      EXPECT_EQ(check.what, what) << check.found;
      told = told || (check.what == what && check.found.find(words) != std::string::npos);
    }
    EXPECT_TRUE(told) << what << ": " << words
                      << " not in: " << (check_of(found, what) ? check_of(found, what)->found : "");
  }

  static const HeadCheck* check_of(const HeadFit& fit, std::string_view what) {
    for (const HeadCheck& check : fit.checks)
      if (check.what == what) return &check;
    return nullptr;
  }

  static void expect_fits(const HeadFit& found, CheckpointRole role) {
    EXPECT_EQ(found.recognised.role, role);
    EXPECT_EQ(exit_code_of(found), 0);
    EXPECT_EQ(found.fits(), Fits::yes);
    for (const HeadCheck& check : found.checks) EXPECT_NE(check.fits, Fits::no) << check.what << ": " << check.found;
  }

  const TemporaryDirectory directory_;
  const TinyCheckpoint tiny_{"llama"};
  const TinyCheckpoint glm_{"glm4_moe"};
  const std::string target_ = tiny_.directory();
};

TEST_F(HeadFitTest, HeadsOfEveryLayoutThatFitAreToldSo) {
  expect_fits(fit(tiny_eagle(kTarget)), CheckpointRole::eagle);
  expect_fits(fit(tiny_eagle3(kTarget)), CheckpointRole::eagle3);
  const HeadFit found = fit(tiny_eagle3_speculators(kTarget));
  expect_fits(found, CheckpointRole::eagle3_speculators);
  EXPECT_NE(check_of(found, "tapped layers")->found.find("outputs of layers 0, 1, 2 of 0 to 2"), std::string::npos)
      << check_of(found, "tapped layers")->found;
  EXPECT_NE(check_of(found, "draft ids")->found.find("32 of the target's 96"), std::string::npos);
  EXPECT_NE(found.use.find("--draft eagle:"), std::string::npos) << found.use;
}

TEST_F(HeadFitTest, AnotherHiddenWidthIsRefused) {
  const HeadFit wide = fit(tiny_eagle3({128, 3, kTinyVocab}));
  EXPECT_EQ(wide.fits(), Fits::no);
  EXPECT_NE(check_of(wide, "fc")->found.find("expected [128, 192]"), std::string::npos) << check_of(wide, "fc")->found;
  EXPECT_EQ(fit(tiny_eagle({128, 3, kTinyVocab})).fits(), Fits::no);
  TinyHead head = tiny_eagle3_speculators(kTarget);
  head.config["target_hidden_size"] = 128;
  expect_refused(head, "hidden width", "made for states of 128 values, the target's have 64");
  head = tiny_eagle3(kTarget);
  head.tensors["midlayer.self_attn.q_proj.weight"].shape = {64, 64};
  expect_refused(head, "attention", "expected 128 columns");
}

TEST_F(HeadFitTest, MapsOfIdsAreReadAndChecked) {
  TinyHead head = tiny_eagle3(kTarget);
  head.tensors["d2t"].integers.back() = kTinyVocab;
  const HeadFit outside = fit(head);
  EXPECT_EQ(check_of(outside, "d2t")->found, "draft id 31 is target id 127, outside the vocabulary of 96 ids");
  head.tensors["d2t"].integers.back() = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(fit(head).fits(), Fits::no);
  head.tensors["d2t"].integers.back() = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(fit(head).fits(), Fits::no);

  head = tiny_eagle3(kTarget);
  head.tensors["d2t"].integers[5] = head.tensors["d2t"].integers[4] - 1;
  expect_refused(head, "d2t", "draft ids 4 and 5 are both target id 12");

  head = tiny_eagle3(kTarget);
  std::swap(head.tensors["t2d"].integers[3], head.tensors["t2d"].integers[4]);
  expect_refused(head, "t2d", "is false at target id 3");
  head = tiny_eagle3(kTarget);
  head.tensors["t2d"].integers[4] = 1;
  expect_refused(head, "t2d", "names 33 target ids, d2t 32");
  head.tensors["t2d"] = {DType::boolean, {50}, {}};
  expect_refused(head, "t2d", "tells of 50 target ids; the target has 96");
  head.tensors["t2d"] = {DType::f32, {96}, {}};
  expect_refused(head, "t2d", "expected one of BOOL");

  head = tiny_eagle3(kTarget);
  head.config["draft_vocab_size"] = 31;
  expect_refused(head, "draft ids", "config.json says 31, d2t names 32");
  head = tiny_eagle3(kTarget);
  head.tensors["lm_head.weight"].shape = {20, 64};
  expect_refused(head, "head", "20 rows; expected 32");
  head = tiny_eagle3(kTarget);
  head.tensors["d2t"] = {DType::f32, {32}, {}};
  EXPECT_EQ(fit(head).fits(), Fits::no);
  head.tensors.erase("d2t");
  EXPECT_NE(check_of(fit(head), "draft ids")->found.find("no d2t tells which"), std::string::npos);
}

TEST_F(HeadFitTest, TapsAreLayersOfTheTarget) {
  TinyHead head = tiny_eagle3(kTarget);
  const auto tap = [&](Json layers) { head.config["eagle_config"]["eagle_aux_hidden_state_layer_ids"] = layers; };
  tap({1, 15, 28});
  expect_refused(head, "tapped layers", "there is no layer 15");
  tap({2, 1, 0});
  expect_refused(head, "tapped layers", "not ascending");
  tap({0, 1});
  expect_refused(head, "fc", "joins 2 states of 64 values");
  head.config.erase("eagle_config");
  expect_refused(head, "tapped layers", "not said");
  head = tiny_eagle3_speculators(kTarget);
  head.config["eagle_aux_hidden_state_layer_ids"] = {0, 1, 2};
  expect_refused(head, "tapped layers", "one of them is the embedding");
}

TEST_F(HeadFitTest, AHeadOfASiblingFitsAndIsToldFromThisOne) {
  TinyHead head = tiny_eagle3_speculators(kTarget);
  const auto named = [&](const std::string& verifier) {
    head.config["speculators_config"]["verifier"]["name_or_path"] = verifier;
    return fit(head);
  };
  const HeadFit sibling = named("moonshotai/Kimi-K2.6");
  EXPECT_EQ(sibling.fits(), Fits::yes);
  EXPECT_EQ(sibling.same_model, Fits::no);
  EXPECT_EQ(sibling.trained_for, "moonshotai/Kimi-K2.6");
  EXPECT_EQ(check_of(sibling, "trained for")->found,
            "moonshotai/Kimi-K2.6, not " + target_ + ": acceptance must be measured");
  const std::string name = fs::path(target_).filename();
  EXPECT_EQ(named("org/" + name).same_model, Fits::yes);
  EXPECT_EQ(named("org/" + name + "-FP8").same_model, Fits::unknown);
  EXPECT_EQ(named("").same_model, Fits::unknown);
  if (!fs::exists(SPECDEC_SOURCE_DIR "/models/demo-moe/config.json")) return;
  EXPECT_NE(check_of(named("demo-moe"), "trained for")->found.find("differ: hidden_size 256 against 64"),
            std::string::npos)
      << check_of(named("demo-moe"), "trained for")->found;
}

TEST_F(HeadFitTest, EmbeddingsAreTheHeadsOwnOrTheTargets) {
  TinyHead head = tiny_eagle3_speculators(kTarget);
  head.tensors["embed_tokens.weight"].shape = {90, 64};
  expect_refused(head, "embedding", "ids from 90 on have none");
  head.tensors["embed_tokens.weight"].shape = {128, 64};
  EXPECT_NE(check_of(fit(head), "embedding")->found.find("32 rows more"), std::string::npos);
  head.tensors.erase("embed_tokens.weight");
  EXPECT_NE(check_of(fit(head), "embedding")->found.find("reads the target's"), std::string::npos);
  head.tensors.erase("layers.0.mlp.up_proj.weight");
  expect_refused(head, "parts", "layers.0.mlp.up_proj");
}

TEST_F(HeadFitTest, LayersOfOtherLayoutsAreJudgedByWhatIsKnown) {
  TinyHead head = tiny_eagle3(kTarget);
  for (const char* name : {"q", "k", "v"}) head.tensors.erase(fmt::format("midlayer.self_attn.{}_proj.weight", name));
  head.tensors["midlayer.self_attn.kv_a_proj_with_mqa.weight"] = {.shape = {24, 128}};
  head.tensors["midlayer.self_attn.kv_b_proj.weight"] = {.shape = {64, 16}};
  EXPECT_EQ(fit(head).fits(), Fits::yes);
  head.tensors["midlayer.self_attn.kv_a_proj_with_mqa.weight"].shape = {24, 64};
  expect_refused(head, "attention", "expected 128 columns");
  head.tensors.erase("midlayer.self_attn.kv_a_proj_with_mqa.weight");
  const HeadFit unknown = fit(head);
  EXPECT_EQ(unknown.fits(), Fits::yes);
  EXPECT_EQ(check_of(unknown, "attention")->fits, Fits::unknown);
}

TEST_F(HeadFitTest, AConfigAloneTellsWhatItCan) {
  fs::create_directories(directory_.path() / "head");
  std::ofstream(directory_.path() / "head/config.json") << tiny_eagle3_speculators(kTarget).config;
  const HeadFit found = fit_head(target_ + "/config.json", directory_.path() / "head");
  EXPECT_EQ(found.recognised.role, CheckpointRole::eagle3_speculators);
  EXPECT_EQ(found.fits(), Fits::yes);
  EXPECT_EQ(check_of(found, "fc")->fits, Fits::unknown);
}

TEST_F(HeadFitTest, AnMtpLayerIsTheTargetsOwnOrAnothers) {
  const std::string glm = glm_.directory();
  const HeadFit own = fit_head(glm, "mtp");
  expect_fits(own, CheckpointRole::mtp_sidecar);
  EXPECT_EQ(own.use, "specdec run --target " + glm + " --draft mtp");
  EXPECT_EQ(own.same_model, Fits::yes);
  EXPECT_EQ(fit_head(target_, "mtp").fits(), Fits::no);

  // As a conversion by MLX leaves it.
  const fs::path without = directory_.path() / "without";
  std::vector<StoredTensor> kept;
  const auto files = open_safetensors(glm_.directory());
  for (const auto& [name, tensor] : files.front()->tensors())
    if (!name.starts_with("model.layers.3.")) kept.push_back(tensor);
  fs::create_directories(without);
  write_safetensors(without / "model.safetensors", kept);
  fs::copy(glm_.directory() / "config.json", without / "config.json");
  const HeadFit dropped = fit_head(without, "mtp");
  EXPECT_EQ(dropped.fits(), Fits::no);
  EXPECT_NE(dropped.checks.front().found.find("config.json names 1, but no tensor of layer 3 is stored"),
            std::string::npos)
      << dropped.checks.front().found;
  EXPECT_EQ(fit_head(without / "config.json", "mtp").fits(), Fits::unknown);

  const HeadFit others = fit_head(without, "mtp:" + glm);
  EXPECT_EQ(others.fits(), Fits::yes);
  EXPECT_NE(others.use.find("other than the target's"), std::string::npos) << others.use;
  const HeadFit foreign = fit_head(target_, "mtp:" + glm);
  EXPECT_EQ(check_of(foreign, "layer type")->fits, Fits::no);
}

TEST_F(HeadFitTest, AFileOfAnMtpLayerAloneIsChecked) {
  const fs::path sidecar = directory_.path() / "sidecar";
  std::vector<StoredTensor> kept;
  const auto files = open_safetensors(glm_.directory());
  for (const auto& [name, tensor] : files.front()->tensors())
    if (name.starts_with("model.layers.3.")) kept.push_back(tensor);
  const auto written_as = [&](const std::string& layer) {
    std::vector<StoredTensor> renamed = kept;
    for (StoredTensor& tensor : renamed) tensor.name.replace(0, std::string("model.layers.3.").size(), layer);
    fs::create_directories(sidecar);
    write_safetensors(sidecar / "model.safetensors", renamed);
    fs::copy(glm_.directory() / "config.json", sidecar / "config.json", fs::copy_options::overwrite_existing);
    return fit_head(glm_.directory(), sidecar);
  };
  expect_fits(written_as("model.layers.3."), CheckpointRole::mtp_sidecar);
  const HeadFit deeper = written_as("model.layers.46.");
  EXPECT_NE(deeper.checks.front().found.find("made for a model of 46 layers"), std::string::npos);
  EXPECT_EQ(deeper.fits(), Fits::no);
}

TEST_F(HeadFitTest, LayersUnderMtpAreQwens) {
  TinyHead head;
  head.config = {{"model_type", "llama"}, {"hidden_size", 64}, {"mtp_num_hidden_layers", 1}};
  for (const char* norm : {"pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm"})
    head.tensors[fmt::format("mtp.{}.weight", norm)] = {.shape = {64}};
  head.tensors["mtp.fc.weight"] = {.shape = {64, 128}};
  head.tensors["mtp.layers.0.self_attn.q_proj.weight"] = {.shape = {64, 64}};
  head.tensors["mtp.layers.0.mlp.up_proj.weight"] = {.shape = {64, 64}};
  expect_fits(fit(head), CheckpointRole::mtp_sidecar);
  head.tensors["mtp.fc.weight"].shape = {32, 64};
  expect_refused(head, "hidden width", "mtp.fc is BF16 [32, 64]; expected [64, 128]");
  head.tensors["mtp.fc.weight"].shape = {64, 128};
  head.tensors.erase("mtp.norm.weight");
  expect_refused(head, "norms", "missing: mtp.norm");
}

TEST_F(HeadFitTest, AnMtpLayerInGgufIsReadByItsOwnNames) {
  const std::string gguf = SPECDEC_SOURCE_DIR "/tests/data/gguf/glm4_moe_mtp.gguf";
  expect_fits(fit_head(gguf, "mtp"), CheckpointRole::mtp_sidecar);
  EXPECT_EQ(fit_head(SPECDEC_SOURCE_DIR "/tests/data/gguf/llama.gguf", "mtp").fits(), Fits::no);
  GgufWriter eagle;
  eagle.text("general.architecture", "eagle3");
  const std::string path = directory_.write("eagle3.gguf", eagle.bytes());
  EXPECT_TRUE(recognise_head(path));
  expect_error([&] { fit_head(target_, path); }, {"eagle3.gguf", "'general.architecture' is \"eagle3\""});
}

TEST_F(HeadFitTest, WeightsInAPickleAreNotRead) {
  const fs::path config = directory_.write("head/config.json", R"({"model_type": "eagle", "hidden_size": 64})");
  directory_.write("head/pytorch_model.bin", "");
  const HeadFit found = fit_head(target_, config.parent_path());
  EXPECT_EQ(found.recognised.role, CheckpointRole::eagle);
  EXPECT_NE(check_of(found, "tensors")->found.find("convert it to safetensors"), std::string::npos);
  EXPECT_EQ(exit_code_of(found), 0);
}

TEST_F(HeadFitTest, OfAnIndexWithoutItsShardsTheConfigIsRead) {
  const fs::path config = directory_.write("head/config.json", R"({"model_type": "eagle", "hidden_size": 64})");
  directory_.write("head/model.safetensors.index.json", R"({"weight_map": {"fc.weight": "model-00001.safetensors"}})");
  const HeadFit found = fit_head(target_, config.parent_path());
  EXPECT_EQ(found.recognised.role, CheckpointRole::eagle);
  EXPECT_EQ(check_of(found, "tensors")->found, "model-00001.safetensors is missing; fetch it to have them checked");
  EXPECT_EQ(exit_code_of(found), 0);
}

TEST_F(HeadFitTest, QuantisedMapsAreReadByTheirFormats) {
  const TinyCheckpoint affine("glm4_moe:affine");
  const HeadFit found = fit_head(affine.directory(), "mtp");
  expect_fits(found, CheckpointRole::mtp_sidecar);
  EXPECT_NE(check_of(found, "hidden width")->found.find("affine"), std::string::npos);
}

TEST_F(HeadFitTest, OtherHeadsAreRefusedByName) {
  TinyHead head;
  head.config = {{"medusa_num_heads", 4}};
  head.tensors["0.0.linear.weight"] = {.shape = {64, 64}};
  expect_refused(head, "kind", "Medusa heads (residual blocks on the last hidden state): this version neither");
  head.config = {{"architectures", {"DFlashDraftModel"}}};
  head.tensors = {{"layers.0.mlp.up_proj.weight", {.shape = {64, 64}}}};
  expect_refused(head, "kind", "architectures names DFlashDraftModel");
  head.config = {{"speculators_model_type", "mlp"}};
  expect_refused(head, "kind", "speculators_model_type is mlp");
}

TEST_F(HeadFitTest, ModelsAndTokenizersAreNoHeads) {
  EXPECT_FALSE(recognise_head(target_));
  EXPECT_FALSE(recognise_head(SPECDEC_SOURCE_DIR "/models/demo-draft"));
  EXPECT_FALSE(recognise_head(SPECDEC_SOURCE_DIR "/tests/data/gguf/llama.gguf"));
  EXPECT_TRUE(recognise_head("mtp"));
  EXPECT_EQ(fit_head(SPECDEC_SOURCE_DIR "/models/demo-moe", "mtp").fits(), Fits::yes);
  expect_error([&] { fit_head(directory_.write("config.json", "{}"), "mtp"); }, {"hidden_size"});
  expect_error([&] { fit_head(target_, directory_.path() / "none"); }, {"none"});
}

}  // namespace
}  // namespace specdec
