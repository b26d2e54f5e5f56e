#include "muster/tensor/buffer.h"

#include <utility>

#include "muster/base/recycled.h"

namespace muster::tensor {
namespace {

struct Releaser {
  explicit Releaser(base::UniqueFunction<void()> release) : release_(std::move(release)) {}
  Releaser(const Releaser&) = delete;
  Releaser& operator=(const Releaser&) = delete;
  ~Releaser() { release_(); }

 private:
  base::UniqueFunction<void()> release_;
};

std::shared_ptr<const void> OwnerOf(base::UniqueFunction<void()> release) {
  if (!release) return nullptr;
  return std::make_shared<const Releaser>(std::move(release));
}

}  // namespace

BufferRef BufferRef::Allocate(std::size_t bytes) {
  BufferRef buffer;
  buffer.data_ = base::TakeRecycled(bytes);
  buffer.size_ = bytes;
  buffer.owner_ = std::shared_ptr<void>(
      buffer.data_, [bytes](void* data) { base::GiveRecycled(data, bytes); },
      base::Recycled<std::byte>());
  return buffer;
}

BufferRef BufferRef::Strings(std::vector<std::string> strings) {
  if (strings.empty()) strings.reserve(1);  // no strings are still a buffer: data() is not null
  const auto owned = std::make_shared<std::vector<std::string>>(std::move(strings));
  BufferRef buffer;
  buffer.owner_ = owned;
  buffer.data_ = owned->data();
  buffer.size_ = owned->size();
  buffer.kind_ = MemoryKind::kStrings;
  return buffer;
}

BufferRef BufferRef::Wrap(void* data, std::size_t bytes, base::UniqueFunction<void()> release,
                          MemoryKind kind, int device_id) {
  BufferRef buffer;
  buffer.owner_ = OwnerOf(std::move(release));
  buffer.data_ = data;
  buffer.size_ = bytes;
  buffer.kind_ = kind;
  buffer.device_id_ = device_id;
  return buffer;
}

BufferRef BufferRef::WrapStrings(std::string* strings, std::size_t count,
                                 base::UniqueFunction<void()> release) {
  return Wrap(strings, count, std::move(release), MemoryKind::kStrings);
}

BufferRef BufferRef::Share(std::shared_ptr<const void> owner, void* data, std::size_t bytes) {
  BufferRef buffer;
  buffer.owner_ = std::move(owner);
  buffer.data_ = data;
  buffer.size_ = bytes;
  return buffer;
}

}  // namespace muster::tensor
