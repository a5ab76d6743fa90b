#include "compiler/image/preparation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace volute::compiler {
namespace {

size_t at(int32_t buffer) { return static_cast<size_t>(buffer); }

template <class Visit>
void for_each_touched(const ImageStep& step, Visit visit) {
  for (const int32_t buffer : step.reads) visit(at(buffer));
  for (const int32_t buffer : step.writes) visit(at(buffer));
}

/// Finds what varies from call to call: each buffer and each step is met once.
class Variation {
public:
  Variation(const Image& image, const std::vector<bool>& bound)
      : image_(image), touching_(image.buffers.size()), varies_(image.buffers.size()),
        waits_(image.steps.size()) {
    std::vector<bool> is_written(image.buffers.size());
    for (size_t step = 0; step < image.steps.size(); ++step) {
      for_each_touched(image.steps[step],
                       [&](size_t buffer) { touching_[buffer].push_back(step); });
      for (const int32_t buffer : image.steps[step].writes) is_written[at(buffer)] = true;
    }
    for (size_t buffer = 0; buffer < image.buffers.size(); ++buffer) {
      const bool is_bound = buffer < bound.size() && bound[buffer];
      const ImageBuffer& here = image.buffers[buffer];
      const bool is_made =
          here.role == ImageBuffer::Role::intermediate && is_written[buffer] && here.dims.empty();
      if (!is_bound && !is_made) set_varying(buffer);
    }
    for (size_t step = 0; step < image.steps.size(); ++step)
      if (!image.steps[step].work_by.empty()) set_waiting(step);
    while (!to_look_at_.empty()) follow();
  }

  bool varies(size_t buffer) const { return varies_[buffer]; }
  bool waits(size_t step) const { return waits_[step]; }

private:
  void set_varying(size_t buffer) {
    if (varies_[buffer]) return;
    varies_[buffer] = true;
    to_look_at_.push_back(buffer);
  }

  void follow() {
    const size_t buffer = to_look_at_.back();
    to_look_at_.pop_back();
    for (const size_t step : touching_[buffer]) set_waiting(step);
  }

  void set_waiting(size_t step) {
    if (waits_[step]) return;
    waits_[step] = true;
    for (const int32_t written : image_.steps[step].writes) set_varying(at(written));
  }

  const Image& image_;
  std::vector<std::vector<size_t>> touching_; // by buffer: steps
  std::vector<bool> varies_, waits_;
  std::vector<size_t> to_look_at_;
};

} // namespace

Preparation prepare(const Image& image, const std::vector<bool>& bound) {
  const Variation variation(image, bound);
  Preparation result;
  for (size_t buffer = 0; buffer < image.buffers.size(); ++buffer)
    result.known.push_back(!variation.varies(buffer));
  for (size_t step = 0; step < image.steps.size(); ++step)
    (variation.waits(step) ? result.each_call : result.once).push_back(step);
  result.kept.resize(image.buffers.size());
  for (const size_t step : result.each_call)
    for (const int32_t buffer : image.steps[step].reads)
      result.kept[at(buffer)] = result.known[at(buffer)];
  return result;
}

std::vector<std::string> prepared_steps(const Image& image) {
  std::vector<bool> weights(image.buffers.size());
  std::vector<std::set<size_t>> follows_from(image.buffers.size()); // by buffer: inputs
  for (size_t i = 0; i < image.buffers.size(); ++i) {
    const ImageBuffer& buffer = image.buffers[i];
    if (buffer.role != ImageBuffer::Role::input) continue;
    weights[i] = buffer.type && !buffer.type->has(ir::Axis::n) && buffer.dims.empty();
    follows_from[i] = {i};
  }
  std::vector<std::string> sentences;
  for (const size_t at_step : prepare(image, weights).once) {
    const ImageStep& step = image.steps[at_step];
    std::set<size_t> inputs;
    for_each_touched(step, [&](size_t buffer) { inputs.merge(std::set(follows_from[buffer])); });
    for (const int32_t written : step.writes) follows_from[at(written)] = inputs;
    std::vector<std::string> names;
    for (const size_t input : inputs) names.push_back("%" + image.buffers[input].name);
    sentences.push_back(names.empty()
                            ? fmt::format("{}: once, when the kernel is made", step.name)
                            : fmt::format("{}: once, when {} {} bound", step.name,
                                          fmt::join(names, ", "), names.size() > 1 ? "are" : "is"));
  }
  return sentences;
}

std::vector<Resident> workspace_residents(const Image& image, const Preparation& preparation) {
  std::vector<Resident> residents(image.buffers.size());
  for (size_t buffer = 0; buffer < image.buffers.size(); ++buffer)
    if (image.buffers[buffer].role == ImageBuffer::Role::intermediate && !preparation.known[buffer])
      residents[buffer].bytes = image.buffers[buffer].bytes;
  for (const size_t step : preparation.each_call)
    for_each_touched(image.steps[step], [&](size_t buffer) {
      Lifetime& lifetime = residents[buffer].lifetime;
      const auto now = static_cast<int32_t>(step);
      if (lifetime.last_step < 0) lifetime.first_step = now;
      lifetime.last_step = now;
    });
  return residents;
}

} // namespace volute::compiler
