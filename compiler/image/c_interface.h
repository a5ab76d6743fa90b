// What an object file offers to C: an image's steps as functions that take nothing but tensors and
// memory, for programs that link the object and nothing else.
//
//     int stem_prepare(const float *w, void *prepared, void *workspace);
//     int stem_run(const float *x, const void *prepared, float *y, void *workspace);
//     int stem_step(int step, ..., void *scratch, int64_t begin, int64_t end);
//
// What follows from weights alone (inputs without a batch) and constants is computed by _prepare,
// once, into memory of the caller's, where weights that calls read as they are lie too; _run does
// the rest, all of it or, as _step, a range of one of its steps, for threads of the caller's. Who
// takes which tensor follows from the program, whatever the schedule.
#pragma once

#include "compiler/image/image.h"
#include "ir/diagnostic.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace volute::compiler {

struct CInterface {
  /// Where a function finds a buffer.
  struct Place {
    enum class In : uint8_t { nowhere, argument, prepared, workspace };
    In in = In::nowhere;
    int64_t at = 0; // of an argument its number among `tensors`, else an offset
  };
  struct Function {
    std::vector<size_t> tensors; // buffers of the image that are its arguments, inputs in front
    size_t inputs = 0;           // how many of them are
    std::vector<size_t> steps;   // of the image, in order
    std::vector<Place> places;   // by buffer
    int64_t scratch_at = 0;      // in the workspace
  };

  std::string name; // what the functions begin with
  Function prepare, run;
  std::vector<size_t> copied; // weights that _prepare copies to their places in `run`
  int64_t prepared_bytes = 0, workspace_bytes = 0;
  int64_t scratch_bytes = 0; // of one thread, of _step
};

/// The prefix that a program's name makes: itself where it is a name in C.
std::string c_name(const std::string& program);

/// Refused is an image whose sizes each call would decide.
Expected<CInterface> c_interface(const Image& image, const std::string& name);

/// The header that declares it, with types, layouts and sizes.
std::string c_header(const CInterface& interface, const Image& image);

} // namespace volute::compiler
