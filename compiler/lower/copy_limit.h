// A limit on the copies that the compiler puts in.
#pragma once

#include "ir/nest.h"
#include "ir/program.h"

#include <optional>

namespace volute::compiler {

/// A copy that nobody wrote (a padded image, bytes in groups of four) takes at most so many times
/// the bytes that it is made from, unless it is small: whatever reflecting or going around can make
/// of an image in three dimensions is below that, and a pad that is above it is a slip.
constexpr int64_t most_times_copied = 32;
constexpr int64_t small_copy_bytes = int64_t{64} << 20;

/// The first copy beyond the limit, at the statement that asks for it. `written` is the program as
/// it was given, `legal` as it was lowered to `nests`; those computed in bands are no copies in
/// memory.
std::optional<Failure> refuse_large_copies(const ir::Program& written, const ir::Program& legal,
                                           const ir::NestProgram& nests);

} // namespace volute::compiler
