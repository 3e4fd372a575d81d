// Chat templates against jinja2 (tests/data/make_chat_goldens.py), and what a hostile one may not do.
#include "tokenizers/chat_template.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/error_line.h"
#include "tests/file_contents.h"
#include "tests/published_tokenizers.h"
#include "tests/temporary_directory.h"
#include "tokenizers/jinja/json.h"
#include "tokenizers/tokenizer_config.h"

namespace specdec {
namespace {

using jinja::Dict;
using jinja::Template;
using jinja::Value;

std::string data(const std::string& name) { return contents(SPECDEC_SOURCE_DIR "/tests/data/chat/" + name); }

Dict read_dict(const std::string& name) { return *jinja::read_json(data(name), name).dict(); }

// The moment of the goldens.
std::time_t golden_time() {
  std::tm time{};
  time.tm_year = 2026 - 1900;
  time.tm_mon = 2;
  time.tm_mday = 9;
  time.tm_hour = 8;
  time.tm_min = 5;
  return ::timegm(&time);
}

// The text, or what the Error says after "!".
std::string rendered(const std::string& source, const Dict& variables = {}) {
  try {
    return Template(source, "test").render(variables, golden_time());
  } catch (const Error& error) {
    return fmt::format("!{}", error.what());
  }
}

std::vector<std::string> small_templates() {
  constexpr std::string_view kBetween = "\n=====\n";
  std::vector<std::string> templates;
  std::string rest = data("small.txt");
  for (std::size_t at = rest.find(kBetween); at != rest.npos; at = rest.find(kBetween)) {
    templates.push_back(rest.substr(0, at));
    rest.erase(0, at + kBetween.size());
  }
  templates.push_back(rest);
  return templates;
}

TEST(Jinja, SmallTemplatesGiveTheTextOfJinja2) {
  const Dict variables = read_dict("variables.json");
  const std::vector<std::string> templates = small_templates();
  const auto texts = nlohmann::json::parse(data("small.json"));
  ASSERT_EQ(templates.size(), texts.size());
  for (std::size_t i = 0; i < templates.size(); ++i) {
    const std::string found = rendered(templates[i], variables);
    if (texts[i].is_null()) {
      EXPECT_TRUE(found.starts_with("!test, line ")) << templates[i] << "\ngives: " << found;
      EXPECT_EQ(found.find('\n'), found.npos) << found;
    } else {
      EXPECT_EQ(found, texts[i].get<std::string>()) << templates[i];
    }
  }
}

std::string fnv(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

std::string rendered(const ChatTemplate& chat, const Dict& conversation) {
  Dict others;
  for (const auto& [name, value] : conversation.items()) {
    if (name.text() != "messages") others.set(name.text(), value);
  }
  return chat.render(*conversation.find("messages"), others, golden_time());
}

TEST(ChatTemplate, PublishedTemplatesGiveTheTextOfJinja2) {
  const auto goldens = nlohmann::json::parse(data("published.json"));
  const Dict conversations = read_dict("conversations.json");
  std::string missing;
  for (const auto& [name, texts] : goldens.items()) {
    const auto path = published_tokenizer(name) / "tokenizer_config.json";
    if (!std::filesystem::exists(path)) {
      missing += " " + name;
      continue;
    }
    const ChatTemplate chat(read_tokenizer_config({name, "", contents(path), "", ""}).chat, name);
    for (const auto& [title, conversation] : conversations.items()) {
      std::optional<std::string> text;
      std::string refused;
      try {
        text = rendered(chat, *conversation.dict());
      } catch (const Error& error) {
        refused = error.what();
      }
      const auto& golden = texts.at(title.text());
      EXPECT_EQ(text.has_value(), !golden.is_null()) << name << ": " << title.text() << ": " << refused;
      if (text && !golden.is_null()) {
        EXPECT_EQ(fnv(*text), golden.get<std::string>()) << name << ": " << title.text() << ":\n" << *text;
      }
    }
  }
  if (!missing.empty())
    GTEST_SKIP() << "not in build/tokenizers:" << missing << "; tests/fetch_tokenizers.sh fetches it";
}

TEST(Jinja, WhatIsNotSupportedIsNamedWithItsLine) {
  const auto refuse = [](const std::string& source, std::initializer_list<std::string_view> words) {
    expect_error([&] { Template(source, "chat template of m").render({}, 0); }, words);
  };
  refuse("a\n{% extends 'x' %}", {"chat template of m, line 2", "{% extends %} is not supported"});
  refuse("\n\n{{ 1|pprint }}", {"line 3", "filter 'pprint' is not supported"});
  refuse("{{ 'a'.zfill(3) }}", {"line 1", "method zfill of a str is not supported"});
  refuse("{{ 'a'.__class__ }}", {"__class__"});
  refuse("{{ [].append(1) }}", {"method append of a list"});
  refuse("{% for x in [1] recursive %}{% endfor %}", {"recursive"});
  refuse("{% call f() %}{% endcall %}", {"{% call %} is not supported"});
  refuse("{% if true %}\n\n{{ x.y }}{% endif %}", {"line 3", "'x' is undefined"});
  refuse("{{ raise_exception('Roles must\nalternate') }}", {"refuses this conversation", "Roles must"});
  refuse("{% if a %}{% if b %}{% endif %}", {"{% endif %} is missing"});
  refuse("{{ \"a }}", {"not closed"});
  refuse("{{ 9223372036854775807 + 1 }}", {"64 bits"});
  refuse("{{ 99999999999999999999 }}", {"too large"});
}

TEST(Jinja, AHostileTemplateEnds) {
  const auto refuse = [](const std::string& source, std::string_view word) {
    expect_error([&] { Template(source, "t").render({}, 0); }, {"t", word});
  };
  const auto repeated = [](const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  };
  refuse("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "steps");
  refuse("{% set ns = namespace(s='x') %}{% for a in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "MB");
  refuse("{{ 'x' * 100000000000 }}", "MB");
  refuse("{{ ['x'] * 100000000000 }}", "steps");
  refuse("{% set ns = namespace(s=[]) %}{% for a in range(100) %}{% set ns.s = ns.s + ns.s + [1] %}{% endfor %}",
         "steps");
  refuse("{% set ns = namespace(s=[]) %}{% for a in range(1000) %}{% set ns.s = [ns.s] %}{% endfor %}", "deep");
  refuse(
      "{% set ns = namespace(s=[]) %}{% for a in range(1000) %}{% set ns.s = ns.s.index %}{% set ns.s = [ns.s] %}"
      "{% endfor %}",
      "deep");
  refuse("{% set ns = namespace(s=[1]) %}{% for a in range(90) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
         "steps");
  refuse("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "deep");
  refuse("{{ " + repeated("(", 100'000) + "1" + repeated(")", 100'000) + " }}", "deep");
  refuse("{{ 1" + repeated(" + 1", 100'000) + " }}", "deep");
  refuse("{{ x" + repeated(".x", 100'000) + " }}", "deep");
  refuse("{{ " + repeated("not ", 100'000) + "x }}", "deep");
  refuse(repeated("{% if 1 %}", 10'000), "deep");
  refuse("{{ 'a'|map(" + repeated("'map',", 10'000) + "'upper')|list }}", "arguments");
  refuse("{{ 'a'|indent(100000000000)|length }}{{ 1/0 }}", "zero");
  refuse(repeated("x", 2 << 20), "larger than 1 MB");
}

// What a step may cost does not depend on how long texts are.
TEST(Jinja, AHostileTemplateEndsSoon) {
  const std::string a = "{% set a = 'a' * 16000000 %}{% set b = 'a' * 8000000 %}";
  const std::string long_key = "{% set a = 'a' * 1000000 %}";
  const auto often = [](const std::string& statement) {
    return "{% for i in range(100000) %}" + statement + "{% endfor %}";
  };
  std::string names, parameters;
  for (int i = 0; i < 5000; ++i) {
    names += fmt::format("{}n{}=1", i == 0 ? "" : ",", i);
    parameters += fmt::format("{}n{}", i == 0 ? "" : ",", i);
  }
  std::string scopes, ends;
  for (int i = 0; i < 180; ++i) {
    scopes += "{% with x = 1 %}";
    ends += "{% endwith %}";
  }
  const std::vector<std::string> templates{
      a + often("{{ (b + 'b') in a }}"),
      a + often("{{ ('b' + b) in a }}"),
      a + often("{{ 'ab' in a }}"),
      a + often("{{ a.rfind('b' + b) }}"),
      a + often("{{ a.count(b + 'b') }}"),
      a + often("{{ a.count('a') }}"),
      a + often("{{ a.count('') }}"),
      a + often("{% set x = a.replace(b + 'b', 'c') %}"),
      a + often("{% set x = a.replace('a', 'b') %}"),
      a + often("{% set x = a.replace('', 'b') %}"),
      a + often("{% set x = a.split(b + 'b') %}"),
      a + often("{% set x = a.split('a') %}"),
      a + often("{% set x = a.rsplit('a' + b) %}"),
      a + often("{% set x = a.split() %}"),
      a + often("{% set x = a.splitlines() %}"),
      a + often("{% set x = (' ' * 16000000).strip() %}"),
      a + often("{% set x = a.strip('b' * 1000000 + 'a') %}"),
      a + often("{% set x = a|trim %}"),
      a + often("{% set x = a.join(['', '', '']) %}"),
      a + often("{% set x = [1, 2, 3]|join(a) %}"),
      a + often("{% set x = ['a']|join(b) ~ a %}"),
      a + often("{% set x = a.startswith(a) %}"),
      a + often("{% set x = a.endswith((b, b, b, b, b, b)) %}"),
      a + often("{% set x = a.removeprefix('a') %}"),
      a + often("{% set x = a|upper %}"),
      a + often("{% set x = a.title() %}"),
      a + often("{% set x = a is lower %}"),
      a + often("{% set x = a|length %}"),
      a + often("{% set x = a|int %}"),
      a + often("{% set x = a|e %}"),
      a + often("{% set x = ('<' * 4000000)|e %}"),
      a + often("{% set x = a|indent(a) %}"),
      a + often("{% set x = a|tojson %}"),
      a + often("{% set x = [1, 2]|tojson(separators=(a, a)) %}"),
      a + often("{% set x = [a]|string %}"),
      a + often("{% set x = a[5] %}"),
      a + often("{% set x = a[5:] %}"),
      a + often("{% set x = a == a + '' %}"),
      a + often("{% set x = a < a + '' %}"),
      a + often("{% set x = [a, a, a, a]|sort %}"),
      a + often("{% set x = [a, a, a, a]|unique|list %}"),
      a + often("{% set x = [{'x': 1}]|map(attribute=a)|list %}"),
      long_key + often("{% set x = {a: 1} %}"),
      long_key + "{% set d = {a: 1} %}" + often("{% set x = d[a] %}"),
      long_key + "{% set d = {a: 1} %}" + often("{% set x = a in d %}"),
      long_key + "{% set d = {a: 1} %}" + often("{% set x = dict(d) %}"),
      "{% set ns = namespace(t=(1,)) %}" + often("{% set ns.t = (ns.t, ns.t) %}{% set x = {ns.t: 1} %}"),
      "{% macro f(" + parameters + ") %}{% endmacro %}" + often("{{ f(" + names + ") }}"),
      "{% set y = 1 %}" + scopes + often("{{ y }}{{ y }}{{ y }}{{ y }}{{ y }}{{ y }}{{ y }}{{ y }}") + ends,
      often("{% for i in range(100000) %}{% endfor %}"),
      often("{% for i in range(100000) %}{% set x = i ~ 'a' %}{% endfor %}"),
      often("{% set x = range(100000)|map('string')|list %}"),
  };
  for (const std::string& source : templates) {
    const auto begin = std::chrono::steady_clock::now();
    const std::string found = rendered(source);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const std::string shown = source.size() < 300 ? source : source.substr(source.size() - 300);
    EXPECT_TRUE(found.starts_with("!test, line 1: ")) << shown << "\ngives: " << found.substr(0, 100);
    EXPECT_LT(seconds, 1) << shown;
  }
}

ChatTexts texts_of(const std::string& conversation) { return {conversation, "", {{"bos", "<s>"}, {"eos", "</s>"}}}; }

TEST(ChatTemplate, MessagesAndSpecialTokensAreWritten) {
  const ChatTemplate chat(texts_of("{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ eos_token }}"
                                   "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}{{ pad_token }}"),
                          "m");
  EXPECT_EQ(chat.render({{"system", "Be brief."}, {"user", "Hi"}}, 0),
            "<s>[system] Be brief.</s>[user] Hi</s>[assistant]");
}

TEST(ChatTemplate, ATemplateForToolsIsTakenWithTools) {
  ChatTexts texts = texts_of("plain{{ tools is none }}");
  texts.with_tools = "tools{{ tools|length }}";
  const ChatTemplate chat(texts, "m");
  EXPECT_EQ(chat.render({{"user", "Hi"}}, 0), "plainTrue");
  Dict variables;
  variables.set("tools", jinja::read_json("[{}, {}]", "tools"));
  EXPECT_EQ(chat.render(Value(std::vector<Value>{}), variables, 0), "tools2");
}

TEST(ChatTemplate, WithoutOneTheModelIsNamed) {
  expect_error([] { ChatTemplate({}, "base-model"); }, {"base-model has no chat template"});
}

TEST(ChatTemplate, ItIsFoundWhereCheckpointsKeepIt) {
  const TemporaryDirectory model;
  model.write("tokenizer.json", contents(SPECDEC_SOURCE_DIR "/tests/data/tokenizers/gpt2/tokenizer.json"));
  const auto found = [&] { return load_tokenizer(model.path())->chat(); };
  model.write("chat_template.json", R"({"chat_template": "json"})");
  EXPECT_EQ(found().conversation, "json");
  model.write("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "one"},
    {"name": "tool_use", "template": "two"}], "bos_token": {"content": "<s>"}, "eos_token": null})");
  EXPECT_EQ(found().conversation, "json");
  std::filesystem::remove(std::filesystem::path(model.path()) / "chat_template.json");
  EXPECT_EQ(found().conversation, "one");
  EXPECT_EQ(found().with_tools, "two");
  EXPECT_EQ(found().role_texts, (std::vector<std::pair<std::string, std::string>>{{"bos", "<s>"}}));
  model.write("chat_template.jinja", "three");
  EXPECT_EQ(found().conversation, "three");
}

// A model whose template is none that we know is loaded, and its text continued.
TEST(ChatTemplate, WhatCannotBeReadIsAnErrorForThoseWhoAskForIt) {
  for (const auto& [file, content, word] :
       {std::tuple{"chat_template.json", "{\"chat_template\": ", "chat_template.json"},
        {"chat_template.json", "{\"template\": \"x\"}", "chat_template"},
        {"chat_template.json", "{\"chat_template\": {\"a\": 1}}", "chat_template"},
        {"chat_template.json", "", "empty"},
        {"chat_template.jinja", "", "empty"},
        {"tokenizer_config.json", "{\"chat_template\": 7}", "chat_template"},
        {"tokenizer_config.json", "{\"chat_template\": {\"a\": 1}}", "chat_template"},
        {"tokenizer_config.json", "{\"chat_template\": [\"a\"]}", "chat_template"},
        {"tokenizer_config.json", "{\"chat_template\": [{\"x\": 1}]}", "name"}}) {
    const TemporaryDirectory model;
    model.write("tokenizer.json", contents(SPECDEC_SOURCE_DIR "/tests/data/tokenizers/gpt2/tokenizer.json"));
    model.write(file, content);
    const auto tokenizer = load_tokenizer(model.path());
    EXPECT_FALSE(tokenizer->encode("text").empty());
    EXPECT_TRUE(tokenizer->chat().any()) << content;
    expect_error([&] { chat_template_of(*tokenizer, "m"); }, {"the chat template of m cannot be read", word});
  }
}

TEST(ChatTemplate, TheDateIsTheOneThatItIsGiven) {
  const ChatTexts texts = texts_of("{{ strftime_now('%Y-%m-%d %H:%M') }}");
  EXPECT_TRUE(tells_date(texts));
  EXPECT_FALSE(tells_date(texts_of("{{ messages }}")));
  EXPECT_EQ(ChatTemplate(texts, "m").render({}, golden_time()), "2026-03-09 08:05");
}

}  // namespace
}  // namespace specdec
