// The C++ interface: the one header that most programs need. <volute/volute.h> brings it too, beside
// the C interface.
//
//     #include <volute/volute.hpp>
//
//     volute::Session session;                                // host CPU
//     auto program = volute::ir::parse(text);                 // or volute::ir::Builder
//     volute::Kernel kernel = session.compile(*program);      // compiled once, found again after
//     kernel.run({{"x", x}, {"w", w}}, {{"y", y}}).check();   // views; no copies
//     volute::Kernel bound = kernel.bind("w", w);             // has them packed, once
//     volute::Status status = bound(x, y);                    // by position: the fast path
//
//     volute::Tensor y = volute::conv2d(session, x, w, {.stride = 2});  // or as PyTorch has it
#pragma once

#include "ir/builder.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "runtime/functional.h"
#include "runtime/inspect_text.h"
#include "runtime/kernel.h"
#include "runtime/npy.h"
#include "runtime/png.h"
#include "runtime/session.h"
#include "runtime/tensor.h"
