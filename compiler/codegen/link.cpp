#include "compiler/codegen/link.h"

#include "ir/diagnostic.h"

#include <fmt/format.h>
#include <llvm/ExecutionEngine/JITLink/JITLink.h>
#include <llvm/ExecutionEngine/JITLink/x86_64.h>

#include <cstring>
#include <memory>
#include <optional>

namespace volute::compiler {
namespace {

using namespace llvm::jitlink;
using llvm::orc::ExecutorAddr;
using llvm::orc::MemProt;

constexpr uint64_t page = 4096;
// Where the block pretends to lie. Only differences of addresses survive in it.
constexpr uint64_t base_address = uint64_t{1} << 32;

uint64_t round_up(uint64_t size, uint64_t unit) { return (size + unit - 1) / unit * unit; }

bool is_text(const llvm::orc::AllocGroup& group) {
  return (static_cast<unsigned>(group.getMemProt()) & static_cast<unsigned>(MemProt::Exec)) != 0;
}

/// Lays segments out in one block, executable ones first.
class BlockMemory : public JITLinkMemoryManager {
public:
  explicit BlockMemory(Linked& linked) : linked_(linked) {}

  void allocate(const JITLinkDylib*, LinkGraph& graph, OnAllocatedFunction on_allocated) override {
    BasicLayout layout(graph);
    uint64_t size = 0;
    for (const bool text : {true, false}) {
      for (auto& [group, segment] : layout.segments()) {
        if (is_text(group) != text) continue;
        size = round_up(size, segment.Alignment.value());
        segment.Addr = ExecutorAddr(base_address + size);
        size += segment.ContentSize + segment.ZeroFillSize;
      }
      if (text) linked_.text_bytes = size = round_up(size, page);
    }
    linked_.bytes.resize(size);
    for (auto& [group, segment] : layout.segments())
      segment.WorkingMem =
          reinterpret_cast<char*>(linked_.bytes.data()) + (segment.Addr.getValue() - base_address);
    if (auto error = layout.apply()) return on_allocated(std::move(error));
    on_allocated(std::make_unique<InFlight>());
  }

  void deallocate(std::vector<FinalizedAlloc> allocations,
                  OnDeallocatedFunction on_deallocated) override {
    for (FinalizedAlloc& a : allocations) a.release();
    on_deallocated(llvm::Error::success());
  }

private:
  struct InFlight : InFlightAlloc {
    void abandon(OnAbandonedFunction on_abandoned) override {
      on_abandoned(llvm::Error::success());
    }
    void finalize(OnFinalizedFunction on_finalized) override {
      on_finalized(FinalizedAlloc(ExecutorAddr(base_address)));
    }
  };
  Linked& linked_;
};

class BlockContext : public JITLinkContext {
public:
  BlockContext(Linked& linked, const std::vector<std::string>& symbols, std::string& failure)
      : JITLinkContext(nullptr), linked_(linked), symbols_(symbols), failure_(failure),
        memory_(linked) {}

  JITLinkMemoryManager& getMemoryManager() override { return memory_; }
  void notifyFailed(llvm::Error error) override { failure_ = llvm::toString(std::move(error)); }
  void lookup(const LookupMap& wanted,
              std::unique_ptr<JITLinkAsyncLookupContinuation> continuation) override {
    std::string names;
    for (const auto& entry : wanted) names += fmt::format(" {}", entry.first.str());
    if (!wanted.empty())
      return continuation->run(
          llvm::createStringError(llvm::inconvertibleErrorCode(), "the code calls out:" + names));
    continuation->run(AsyncLookupResult{});
  }
  llvm::Error notifyResolved(LinkGraph& graph) override {
    for (const std::string& name : symbols_)
      for (const Symbol* symbol : graph.defined_symbols())
        if (symbol->hasName() && symbol->getName() == name) {
          linked_.entries.push_back(symbol->getAddress().getValue() - base_address);
          linked_.sizes.push_back(symbol->getSize());
        }
    return llvm::Error::success();
  }
  void notifyFinalized(JITLinkMemoryManager::FinalizedAlloc allocation) override {
    allocation.release();
  }
  LinkGraphPassFunction getMarkLivePass(const llvm::Triple&) const override {
    return markAllSymbolsLive;
  }

  llvm::Error modifyPassConfig(LinkGraph&, PassConfiguration& passes) override {
    passes.PreFixupPasses.push_back([](LinkGraph& graph) -> llvm::Error {
      for (const Block* block : graph.blocks()) {
        // A line table is not loaded, and no part of the code.
        if (block->getSection().getMemLifetime() == llvm::orc::MemLifetime::NoAlloc) continue;
        for (const Edge& edge : block->edges()) {
          const Edge::Kind kind = edge.getKind();
          const bool relative = !edge.isRelocation() || kind == x86_64::Delta64 ||
                                kind == x86_64::Delta32 || kind == x86_64::PCRel32 ||
                                kind == x86_64::BranchPCRel32;
          if (!relative)
            return llvm::createStringError(llvm::inconvertibleErrorCode(),
                                           std::string("an absolute address (") +
                                               x86_64::getEdgeKindName(kind) + ")");
        }
      }
      return llvm::Error::success();
    });
    return llvm::Error::success();
  }

private:
  Linked& linked_;
  const std::vector<std::string>& symbols_;
  std::string& failure_;
  BlockMemory memory_;
};

} // namespace

Linked link(llvm::StringRef object, const std::vector<std::string>& symbols) {
  auto graph = createLinkGraphFromObject(llvm::MemoryBufferRef(object, "kernel"));
  if (!graph)
    throw InternalError(fmt::format("linking a kernel: {}", llvm::toString(graph.takeError())));
  Linked linked;
  std::string failure;
  llvm::jitlink::link(std::move(*graph), std::make_unique<BlockContext>(linked, symbols, failure));
  if (failure.empty() && linked.entries.size() != symbols.size()) failure = "an entry is missing";
  if (!failure.empty()) throw InternalError(fmt::format("linking a kernel: {}", failure));
  return linked;
}

} // namespace volute::compiler
