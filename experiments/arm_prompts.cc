#include "experiments/arm_prompts.h"

#include <map>
#include <set>
#include <string>

#include "core/error.h"

namespace specdec {

std::vector<NamedPrompt> prompts_of(const Arm& arm) {
  std::vector<NamedPrompt> all = read_prompts(arm.prompts);
  std::set<std::string> names;
  for (const NamedPrompt& prompt : all) {
    if (!names.insert(prompt.id).second)
      throw Error("prompts {}: the name {} stands there twice; expected one of its own for each", arm.prompts,
                  prompt.id);
  }
  if (arm.prompts_per_domain == 0) return all;
  std::map<std::string, int> taken;
  std::erase_if(all, [&](const NamedPrompt& prompt) { return taken[prompt.domain]++ >= arm.prompts_per_domain; });
  return all;
}

bool is_chat(const LoadedTarget& target, const Arm& arm, const NamedPrompt& prompt) {
  const bool has_template = target.tokenizer != nullptr && target.tokenizer->chat().any();
  return arm.chat.value_or(prompt.chat && has_template);
}

std::vector<TokenId> encode(const LoadedTarget& target, const Arm& arm, const NamedPrompt& prompt, std::time_t now) {
  if (is_chat(target, arm, prompt)) return encode_message(target, arm.system, prompt.text, now).tokens;
  if (arm.system) {
    throw Error("system: {} is continued as it is, so that no system's message comes before it; expected chat: true",
                prompt.id);
  }
  return encode_prompt(target, prompt.text);
}

}  // namespace specdec
