#include "muster/batching/internal/pending.h"

#include <utility>

namespace muster::batching {
namespace {

std::size_t BytesOf(const WorkItem& item) {
  std::size_t bytes = 0;
  for (const tensor::Tensor& input : item.inputs) {
    bytes += input.byte_size();
    if (input.dtype() != tensor::DType::kBytes) continue;
    const auto count = static_cast<std::size_t>(input.shape().elements());
    for (std::size_t i = 0; i < count; ++i) {
      bytes += sizeof(std::string) + input.strings()[i].size();
    }
  }
  return bytes;
}

}  // namespace

Pending::Pending(WorkItem work)
    : item(std::move(work)), bytes(BytesOf(item)), progress(item.rows) {}

}  // namespace muster::batching
