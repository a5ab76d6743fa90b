// The object file of a kernel as a debugger takes it from memory.
#pragma once

#include "compiler/image/image.h"

#include <cstddef>
#include <string>
#include <vector>

namespace volute::runtime {

/// A relocatable ELF file whose .text is said to lie where the image's steps do, and whose symbols
/// step0, step1, ... have the steps' names. Empty when the file is not what it should be.
std::vector<std::byte> placed_object(const std::vector<std::byte>& elf,
                                     const std::vector<compiler::ImageStep>& steps,
                                     const std::byte* code);

} // namespace volute::runtime
