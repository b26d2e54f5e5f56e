#include "muster/features/image/internal/codecs.h"

namespace muster::features::image::internal {
namespace {

constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kShort = 3;
constexpr std::size_t kEntryBytes = 12;

/// Numbers of either byte order, 0 beyond the end.
class Tiff {
 public:
  Tiff(std::span<const std::uint8_t> bytes, bool little) : bytes_(bytes), little_(little) {}
  std::uint32_t U16(std::size_t at) const { return Number(at, 2); }
  std::uint32_t U32(std::size_t at) const { return Number(at, 4); }
  bool Has(std::size_t at, std::size_t size) const {
    return at <= bytes_.size() && size <= bytes_.size() - at;
  }

 private:
  std::uint32_t Number(std::size_t at, std::size_t size) const {
    if (!Has(at, size)) return 0;
    std::uint32_t number = 0;
    for (std::size_t i = 0; i < size; ++i) {
      number = number << 8 | bytes_[at + (little_ ? size - 1 - i : i)];
    }
    return number;
  }

  std::span<const std::uint8_t> bytes_;
  bool little_;
};

}  // namespace

Orientation ReadOrientation(std::span<const std::byte> block) {
  const std::span<const std::uint8_t> bytes = AsUnsigned(block);
  if (bytes.size() < 8 || bytes[0] != bytes[1] || (bytes[0] != 'I' && bytes[0] != 'M')) return 1;
  const Tiff tiff(bytes, bytes[0] == 'I');
  if (tiff.U16(2) != 42) return 1;
  const std::size_t directory = tiff.U32(4);
  const std::size_t entries = tiff.U16(directory);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * kEntryBytes;
    if (!tiff.Has(entry, kEntryBytes)) return 1;
    if (tiff.U16(entry) != kOrientationTag) continue;
    const std::uint32_t value = tiff.U16(entry + 8);
    const bool valid = tiff.U16(entry + 2) == kShort && value >= 1 && value <= 8;
    return valid ? static_cast<Orientation>(value) : 1;
  }
  return 1;
}

}  // namespace muster::features::image::internal
