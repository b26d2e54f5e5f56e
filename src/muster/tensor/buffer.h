#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "muster/base/function.h"

namespace muster::tensor {

enum class MemoryKind : unsigned char {
  kHost,     ///< ordinary memory
  kPinned,   ///< host memory a device can copy from by itself
  kDevice,   ///< a device's memory; data() must not be dereferenced on the host
  kShared,   ///< memory shared with another process
  kStrings,  ///< an array of std::string; never copied as bytes
};

/// A reference to memory somebody keeps alive: bytes or strings, with the memory's kind and device.
/// Copies share; the release callback runs once, on the thread that drops the last reference. The
/// count is thread-safe, the contents are not: whoever hands a buffer on stops writing to it.
class BufferRef {
 public:
  BufferRef() = default;

  /// Uninitialised host memory, aligned to 64 bytes (a cache line and the widest vector).
  static BufferRef Allocate(std::size_t bytes);
  /// Takes over strings; strings() points to them.
  static BufferRef Strings(std::vector<std::string> strings);
  /// Memory of somebody else; `release` runs when the last reference goes (may be empty: then the
  /// caller keeps the memory alive longer than every copy of this reference).
  static BufferRef Wrap(void* data, std::size_t bytes, base::UniqueFunction<void()> release,
                        MemoryKind kind = MemoryKind::kHost, int device_id = 0);
  /// Strings of somebody else.
  static BufferRef WrapStrings(std::string* strings, std::size_t count,
                               base::UniqueFunction<void()> release);
  /// Keeps `owner` alive as long as this memory is referenced.
  static BufferRef Share(std::shared_ptr<const void> owner, void* data, std::size_t bytes);

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  /// Only for kStrings.
  std::string* strings() const { return static_cast<std::string*>(data_); }
  /// Bytes, or the number of strings for kStrings.
  std::size_t size() const { return size_; }
  MemoryKind kind() const { return kind_; }
  int device_id() const { return device_id_; }
  explicit operator bool() const { return data_ != nullptr; }
  /// How many references share the memory; for tests.
  long use_count() const { return owner_.use_count(); }

 private:
  std::shared_ptr<const void> owner_;
  void* data_ = nullptr;
  std::size_t size_ = 0;
  MemoryKind kind_ = MemoryKind::kHost;
  int device_id_ = 0;
};

}  // namespace muster::tensor
