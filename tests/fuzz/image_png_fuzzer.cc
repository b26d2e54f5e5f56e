// PNGs, of which signature and checksums are made right: a changed chunk would never get past its
// CRC otherwise.

#include <algorithm>
#include <array>
#include <zlib.h>

#include "tests/fuzz/prepare_picture.h"

namespace {

constexpr std::array<std::uint8_t, 8> kSignature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr std::size_t kAround = 12;  // length, type and CRC of a chunk

/// Of all chunks that are whole; `file` is at least as long as the signature.
void RepairChecksums(std::span<std::uint8_t> file) {
  std::span<std::uint8_t> rest = file.subspan(kSignature.size());
  while (rest.size() >= kAround) {
    const std::size_t length = std::size_t{rest[0]} << 24 | std::size_t{rest[1]} << 16 |
                               std::size_t{rest[2]} << 8 | std::size_t{rest[3]};
    if (length > rest.size() - kAround) return;
    const auto sum = crc32(0, &rest[4], static_cast<uInt>(length + 4));
    for (std::size_t i = 0; i < 4; ++i) {
      rest[8 + length + i] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
    }
    rest = rest.subspan(kAround + length);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < kSignature.size()) return -1;
  std::vector<std::uint8_t> file = muster::fuzz::Copy(data, size);
  std::ranges::copy(kSignature, file.begin());
  RepairChecksums(file);
  muster::fuzz::PreparePicture(std::as_bytes(std::span(file)),
                               muster::features::image::Format::kPng);
  return 0;
}
