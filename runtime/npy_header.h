// The text inside a .npy file: a Python dictionary with exactly three keys,
//
//     {'descr': '<f4', 'fortran_order': False, 'shape': (64, 3, 7, 7), }
//
// Not installed: npy.cpp finds the text and this reads it.
#pragma once

#include "runtime/npy.h"

#include <string>
#include <string_view>

namespace volute::runtime {

/// `subject` goes into the failure. The text may be anything at all: it comes from a stranger.
Expected<NpyHeader> parse_npy_header(std::string_view text, const std::string& subject);

/// A shape as Python writes it: (), (5,), (64, 3).
std::string python_tuple(const std::vector<int64_t>& shape);

} // namespace volute::runtime
