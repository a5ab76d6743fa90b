// Machine code beside what it comes from, as a page for people.
//
//     # conv_y: 8 x 2 items of h, w_t
//     #   %0  line 4  %0 = conv %x, %w, %b
//     #   %y  line 5  %y = relu %0
//     ...
//     # loop, innermost: for kw in 0..3: a trip has 32 multiply-adds, 24 loads of 640 bytes
//     .LBB1_3:
//             vmovups      (%rsi), %ymm8                # 31  %0  w_[o_v] = load w_packed[kh, kw,
//             ... vbroadcastss (%rdx), %ymm10               # 33  %0  x_ = splat x[0, h + kh, ...]
//             vfmadd231ps  %ymm8, %ymm10, %ymm0         # 34  %0  acc[w_r][o_v] = fma(x_, ...)
//             vfmadd231ps  %ymm9, %ymm10, %ymm1         # 34  %0
//
// What is added are comments, so that an assembler takes it as it is.
#pragma once

#include "compiler/report/listing.h"
#include "ir/program.h"

#include <string>

namespace volute::compiler {

/// `written` is the program whose statements Listing::sources name; one without statements where
/// nests or loops came without a program.
std::string annotated(const Listing& listing, const ir::LoopProgram& loops,
                      const ir::Program& written);

/// "32 multiply-adds, 6 loads of 192 bytes, no stores": what one trip of a loop does.
std::string in_words(const CodeWork& work);

} // namespace volute::compiler
