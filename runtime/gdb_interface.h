// GDB's interface for code that is made at run time: a list of object files in memory, and a
// function that it has a breakpoint in.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace volute::runtime {

/// Puts an object file into the list; it is taken out when what is given back goes.
std::shared_ptr<const void> register_with_gdb(std::vector<std::byte> elf);

} // namespace volute::runtime
