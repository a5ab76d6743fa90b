// What the scheduling languages of Halide, TVM and others call the directives of this one.
#pragma once

#include <string>
#include <string_view>

namespace volute::compiler {

bool is_directive(std::string_view word);
/// What to write instead of a word that is no directive: never empty.
std::string directive_hint(std::string_view word);

} // namespace volute::compiler
