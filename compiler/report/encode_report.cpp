#include "compiler/report/encode_report.h"

#include "compiler/image/fields.h"

namespace volute::compiler {

template <>
struct FieldsOf<Candidate> {
  static auto of(auto& c) { return std::tie(c.schedule, c.cycles, c.bound); }
};
template <>
struct FieldsOf<Spills> {
  static auto of(auto& s) { return std::tie(s.stores, s.reloads); }
};
template <>
struct FieldsOf<NestReport::Packed> {
  static auto of(auto& p) { return std::tie(p.operand, p.bytes); }
};
template <>
struct FieldsOf<NestReport> {
  static auto of(auto& n) {
    return std::tie(n.name, n.origin, n.schedule, n.why, n.candidates, n.multiply_adds,
                    n.executed_multiply_adds, n.registers, n.registers_needed,
                    n.registers_available, n.spills, n.statements, n.cycles, n.is_of_weight,
                    n.register_tile, n.products, n.matrix_unit, n.code_bytes, n.packed,
                    n.work_items);
  }
};
template <>
struct FieldsOf<FormReport> {
  static auto of(auto& f) { return std::tie(f.name, f.cycles, f.error, f.refused); }
};
template <>
struct FieldsOf<StatementForms> {
  static auto of(auto& s) {
    return std::tie(s.nest, s.chosen, s.why, s.forms, s.sentence, s.error, s.value, s.reach,
                    s.keeps_whole_numbers, s.parts, s.multiply_adds);
  }
};
template <>
struct FieldsOf<Copy> {
  static auto of(auto& c) { return std::tie(c.of, c.bytes, c.why); }
};
template <>
struct FieldsOf<PassTime> {
  static auto of(auto& p) { return std::tie(p.pass, p.ms, p.verify_ms); }
};
template <>
struct FieldsOf<Report> {
  static auto of(auto& r) {
    return std::tie(r.program, r.target, r.llvm, r.parameters, r.multiply_adds, r.bytes, r.nests,
                    r.schedule_note, r.sizes, r.fusion, r.bands, r.forms, r.operators, r.prepared,
                    r.denormals, r.copies, r.text_bytes, r.constant_bytes, r.workspace_bytes,
                    r.intermediate_bytes, r.thread_scratch_bytes, r.needs_tiles, r.passes,
                    r.lower_ms, r.emit_ms, r.object_ms, r.link_ms, r.cpu_ms);
  }
};

std::vector<std::byte> encode_report(const Report& report) {
  FieldWriter writer;
  writer.write(report);
  return writer.finish();
}

std::optional<Report> decode_report(std::span<const std::byte> bytes) {
  FieldReader reader(bytes);
  Report report;
  reader.read(report);
  if (reader.failed() || !reader.at_end()) return std::nullopt;
  return report;
}

} // namespace volute::compiler
