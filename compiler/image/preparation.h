// What a kernel computes once, and what on each call.
//
//     step               reads      writes         with %w and %s bound
//     mul_w2             w, s       w2             once
//     pack_w2            w2         w2_packed      once: a packed weight is a result like any other
//     conv_y             x, w2_packed   y          on each call; of the rest only w2_packed is kept
//
// Inputs that are not bound and outputs vary from call to call, and so does all whose size a
// parameter decides. A step that touches what varies runs on each call, and all that it writes
// varies; every other step runs once, when the last of what it reads becomes known. That follows
// from what is bound, not from the order of binding.
#pragma once

#include "compiler/image/image.h"
#include "compiler/image/workspace.h"

#include <cstddef>
#include <string>
#include <vector>

namespace volute::compiler {

struct Preparation {
  std::vector<bool> known;             // by buffer: the same in every call
  std::vector<bool> kept;              // by buffer: known, and read on each call
  std::vector<size_t> once, each_call; // the image's steps, in their order
};

/// `bound` by buffer: the inputs that are; empty for none.
Preparation prepare(const Image& image, const std::vector<bool>& bound = {});

/// A sentence for each step that runs once where weights are bound: "pack_w: once, when %w is
/// bound". Weights are the inputs without a batch.
std::vector<std::string> prepared_steps(const Image& image);

/// What a call's workspace holds, by buffer: the intermediate ones that are not known, as long as
/// steps of the call touch them. All others take nothing.
std::vector<Resident> workspace_residents(const Image& image, const Preparation& preparation);

} // namespace volute::compiler
