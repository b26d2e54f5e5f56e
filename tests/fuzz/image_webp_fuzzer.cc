// WebPs, of which the head is made right: RIFF, the length, WEBP.

#include <algorithm>
#include <string_view>

#include "tests/fuzz/prepare_picture.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace std::literals;
  constexpr std::size_t kHead = 12;
  if (size < kHead) return -1;
  std::vector<std::uint8_t> file = muster::fuzz::Copy(data, size);
  std::ranges::copy("RIFF"sv, file.begin());
  std::ranges::copy("WEBP"sv, file.begin() + 8);
  // Whole files have even lengths: odd ones keep what is said of theirs, so that wrong lengths are
  // tried too.
  if (size % 2 == 0) {
    for (std::size_t i = 0; i < 4; ++i) {
      file[4 + i] = static_cast<std::uint8_t>((size - 8) >> (8 * i));
    }
  }
  muster::fuzz::PreparePicture(std::as_bytes(std::span(file)),
                               muster::features::image::Format::kWebp);
  return 0;
}
