// Program text to programs. Any bytes are ordinary input: they parse, or are refused with every
// independent fault at its line and column.
#pragma once

#include "ir/diagnostic.h"
#include "ir/program.h"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace volute::ir {

/// Gives the data of a `const file("path") : type`, exactly type.bytes() bytes in memory order, or
/// says in a few words what is wrong with that file. This library opens no file itself.
using Resolver = std::function<Expected<std::vector<std::byte>>(const std::string& path,
                                                                const TensorType& type)>;

/// A text of exactly one program.
Expected<Program> parse(std::string_view text, const Resolver& resolver = {});

/// A text of one or more programs, as a file holds them. `steps`, where it is given, counts the
/// looks at characters of the text: they grow as its length does, whatever it holds.
Expected<std::vector<Program>> parse_file_text(std::string_view text, const Resolver& resolver = {},
                                               size_t* steps = nullptr);

/// A type by itself: "f32[n=1, c=3, h=224, w=224]".
Expected<TensorType> parse_type(std::string_view text);

} // namespace volute::ir
