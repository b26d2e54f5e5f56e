#include "muster/server/codec/internal/binary_tensor.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "muster/server/codec/internal/column.h"

namespace muster::server::codec::internal {
namespace {

using base::InvalidArgument;
using base::Result;
using base::Status;
using tensor::BufferRef;
using tensor::DType;
using tensor::Shape;
using tensor::Tensor;

// What goes over the wire is used as it is.
static_assert(std::endian::native == std::endian::little);

using StringLength = std::uint32_t;
constexpr std::size_t kLengthBytes = sizeof(StringLength);

base::Error BinaryError(const model::TensorSpec& input, const std::string& what) {
  return InvalidArgument("input `" + input.name + "`: " + what, "BINARY");
}

Status CheckStringCount(const model::TensorSpec& input, const Shape& shape, std::size_t size) {
  const auto count = static_cast<std::size_t>(shape.elements());
  if (count > size / kLengthBytes) {
    return BinaryError(input, "expected " + std::to_string(count) + " strings for " +
                                  shape.ToString() + ", each after its length in 4 bytes, got " +
                                  std::to_string(size) + " bytes");
  }
  if (count <= kMostStrings) return {};
  return InvalidArgument(
      "input `" + input.name + "`: more than " + std::to_string(kMostStrings) + " strings",
      "TOO_MANY_VALUES");
}

Result<Tensor> ReadStrings(const model::TensorSpec& input, const Shape& shape,
                           std::span<const std::byte> bytes) {
  MUSTER_RETURN_IF_ERROR(CheckStringCount(input, shape, bytes.size()));
  Tensor tensor = Tensor::Allocate(DType::kBytes, shape);
  std::size_t index = 0;
  for (std::string& text : tensor.data<std::string>()) {
    const auto refuse = [&](const std::string& what) {
      return BinaryError(input, "string " + std::to_string(index) + ": " + what);
    };
    if (bytes.size() < kLengthBytes) return refuse("its length of 4 bytes is cut off");
    StringLength length = 0;
    std::memcpy(&length, bytes.data(), kLengthBytes);
    bytes = bytes.subspan(kLengthBytes);
    if (length > bytes.size()) {
      return refuse("its length is " + std::to_string(length) + ", but only " +
                    std::to_string(bytes.size()) + " bytes are left");
    }
    text.assign(reinterpret_cast<const char*>(bytes.data()), length);
    bytes = bytes.subspan(length);
    ++index;
  }
  if (bytes.empty()) return tensor;
  return BinaryError(input, std::to_string(bytes.size()) + " bytes are left over behind its " +
                                std::to_string(index) + " strings");
}

}  // namespace

Status CheckBools(std::span<const std::byte> bytes, const std::string& input) {
  const auto bad = std::ranges::find_if(bytes, [](std::byte b) { return b > std::byte{1}; });
  if (bad == bytes.end()) return {};
  return InvalidArgument("input `" + input + "`: expected bytes 0 and 1 for BOOL, got " +
                             std::to_string(std::to_integer<int>(*bad)) + " at byte " +
                             std::to_string(bad - bytes.begin()),
                         "OUT_OF_RANGE");
}

Result<Tensor> ReadBinaryTensor(const model::TensorSpec& input, const Shape& shape,
                                const BufferRef& body, std::size_t offset, std::size_t size) {
  const std::span<const std::byte> bytes(body.data() + offset, size);
  if (input.dtype == DType::kBytes) return ReadStrings(input, shape, bytes);
  // A Shape promises that this fits.
  const std::size_t unit = tensor::DTypeSize(input.dtype);
  const std::size_t expected = static_cast<std::size_t>(shape.elements()) * unit;
  if (size != expected) {
    return BinaryError(input, "expected " + std::to_string(expected) + " bytes for " +
                                  std::string(tensor::DTypeName(input.dtype)) + ' ' +
                                  shape.ToString() + ", got " + std::to_string(size));
  }
  if (input.dtype == DType::kBool) MUSTER_RETURN_IF_ERROR(CheckBools(bytes, input.name));
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % unit == 0) {
    return Tensor::View(input.dtype, shape, body, offset);
  }
  Tensor copy = Tensor::Allocate(input.dtype, shape);
  if (size > 0) std::memcpy(copy.bytes(), bytes.data(), size);
  return copy;
}

Result<std::size_t> BinarySize(const Tensor& t) {
  if (t.dtype() != DType::kBytes) return t.byte_size();
  std::size_t size = 0;
  for (const std::string& text : t.data<const std::string>()) {
    if (text.size() > std::numeric_limits<StringLength>::max()) {
      return base::Internal("the backend gave a string of 4 GiB or more", "BACKEND_INVALID");
    }
    size += kLengthBytes + text.size();
  }
  return size;
}

void AppendBinaryTensor(std::string& out, const Tensor& t) {
  if (t.dtype() != DType::kBytes) {
    out.append(reinterpret_cast<const char*>(t.bytes()), t.byte_size());
    return;
  }
  for (const std::string& text : t.data<const std::string>()) {
    const auto length = static_cast<StringLength>(text.size());
    out.append(reinterpret_cast<const char*>(&length), kLengthBytes);
    out += text;
  }
}

}  // namespace muster::server::codec::internal
