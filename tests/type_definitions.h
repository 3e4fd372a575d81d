// Which classes, structs, unions and enums a source file defines that other files see. Two files of one program that
// define one name differently break the one-definition rule, and nothing else tells.
//   type_definitions("namespace a { struct B { enum class C {}; }; namespace { struct D {}; } }")   // a::B, a::B::C
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace specdec {

// With their namespaces, in the order of the text; not what is in an anonymous namespace or in a function. Expects
// braces in pairs, whatever the preprocessor leaves out.
std::vector<std::string> type_definitions(std::string_view source);

}  // namespace specdec
