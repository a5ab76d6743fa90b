// Machine code beside what it comes from, as a page for people.
//
//     # step conv_y: 8 x 2 items of h, w_t
//     #   conv %0, relu %y
//     #     line   4  %0 = conv %x, %w, %b
//     #     line   5  %y = relu %0
//     ...
//     #     for kw in 0..3: innermost, a trip is 32 multiply-adds, 24 loads of 320 bytes, no stores
//     .LBB1_4:
//             vmovups      (%r12), %ymm9          # 37  %0  unroll o_v in 0..2:  w_[o_v] = load ...
//             vmovups      32(%r12), %ymm10       # 37  %0
//             vbroadcastss (%r13), %ymm11         # 39  %0  x_ = splat x[0, h + kh, ...]
//             vfmadd231ps  %ymm9, %ymm11, %ymm2   # 40  %0  unroll o_v in 0..2:  acc[w_r][o_v] =
//             ...
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
