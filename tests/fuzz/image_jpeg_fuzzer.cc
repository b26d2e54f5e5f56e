// JPEGs: whatever comes, behind the first three bytes that make it one.

#include <algorithm>
#include <array>

#include "tests/fuzz/prepare_picture.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::array<std::uint8_t, 3> kBegin = {0xff, 0xd8, 0xff};
  if (size < kBegin.size()) return -1;
  std::vector<std::uint8_t> file = muster::fuzz::Copy(data, size);
  std::ranges::copy(kBegin, file.begin());
  muster::fuzz::PreparePicture(std::as_bytes(std::span(file)),
                               muster::features::image::Format::kJpeg);
  return 0;
}
