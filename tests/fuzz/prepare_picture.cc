#include "tests/fuzz/prepare_picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "muster/base/result.h"
#include "muster/features/image/decode.h"
#include "muster/features/image/image_plan.h"
#include "muster/model/image_options.h"
#include "muster/model/spec.h"

namespace muster::fuzz {
namespace {

using features::image::DecodeLimits;
using features::image::Format;
using features::image::ImagePlan;
using features::image::ImageScratch;
using features::image::Picture;
using model::ImageOptions;

// Small, so that most of the time goes into what differs between files and not into pixels.
constexpr DecodeLimits kLimits = {.max_pixels = 1 << 18, .max_side = 4096, .max_scans = 20};

model::ModelSpec Takes(tensor::DType dtype, std::vector<std::int64_t> row) {
  model::ModelSpec spec;
  model::TensorSpec picture{.name = "picture", .dtype = dtype, .dims = {model::Dim{}}};
  for (const std::int64_t size : row) picture.dims.push_back({.size = size});
  spec.inputs.push_back(std::move(picture));
  spec.outputs.push_back({.name = "scores", .dims = {model::Dim{}, model::Dim{.size = 10}}});
  model::DeriveBatchAxis(spec);
  return spec;
}

/// Every fit, filter, layout, type and kind of channels at least once.
std::vector<ImagePlan> MakePlans() {
  using Fit = ImageOptions::Fit;
  using Filter = ImageOptions::Filter;
  using tensor::DType;
  std::vector<ImagePlan> plans;
  const auto add = [&](const ImageOptions& options, const model::ModelSpec& spec) {
    plans.push_back(ImagePlan::Make(options, spec).value());
  };
  add({}, Takes(DType::kFp32, {3, 32, 32}));
  add({.fit = Fit::kCrop,
       .resize = 40,
       .filter = Filter::kBicubic,
       .mean = {0.485, 0.456, 0.406},
       .std = {0.229, 0.224, 0.225}},
      Takes(DType::kFp32, {3, 32, 32}));
  add({.fit = Fit::kPad,
       .filter = Filter::kLanczos,
       .background = std::array<std::uint8_t, 3>{255, 128, 0},
       .invert = ImageOptions::Choice::kAuto},
      Takes(DType::kFp32, {32, 32, 3}));
  add({.filter = Filter::kBox, .invert = ImageOptions::Choice::kAuto, .trim = true},
      Takes(DType::kUint8, {32, 32}));
  add({.filter = Filter::kLanczos,
       .channels = ImageOptions::Channels::kBgr,
       .scaled_decoding = false},
      Takes(DType::kUint8, {3, 32, 32}));
  add({.fit = Fit::kCrop, .background = std::array<std::uint8_t, 3>{0, 0, 0}},
      Takes(DType::kUint8, {24, 40, 3}));
  return plans;
}

/// What a row is written into: exactly as long as the plan says.
class Row {
 public:
  explicit Row(const ImagePlan& plan)
      : size_(plan.row_bytes()), bytes_(std::make_unique<std::byte[]>(size_)) {}
  std::byte* bytes() { return bytes_.get(); }
  bool operator==(const Row& other) const {
    return size_ == other.size_ && std::memcmp(bytes_.get(), other.bytes_.get(), size_) == 0;
  }
  bool finite() const {
    const auto* const numbers = reinterpret_cast<const float*>(bytes_.get());
    return std::all_of(numbers, numbers + size_ / sizeof(float),
                       [](float number) { return std::isfinite(number); });
  }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> bytes_;
};

void CheckPicture(const Picture& picture) {
  MUSTER_CHECK(picture.width() >= 1 && picture.height() >= 1, "a decoded picture has no pixels");
  MUSTER_CHECK(picture.width() * picture.height() <= kLimits.max_pixels, "more than is allowed");
  MUSTER_CHECK(picture.channels() == 1 || picture.channels() == 4, "neither one channel nor four");
}

}  // namespace

void PreparePicture(std::span<const std::byte> file, Format format) {
  static const std::vector<ImagePlan> plans = MakePlans();
  // Kept from file to file as in a server: what one leaves behind must not show in the next.
  static ImageScratch kept;
  // Halved, because some formats only have even sizes.
  const ImagePlan& plan = plans[file.size() / 2 % plans.size()];

  Row kept_row(plan);
  const base::Status prepared =
      plan.Prepare({.bytes = file, .format = format}, kLimits, kept_row.bytes(), kept);

  Picture picture, other;
  const base::Status decoded =
      features::image::Decode(file, {.format = format}, kLimits, picture, other);
  if (!decoded) {
    MUSTER_CHECK(!decoded.error().message.empty(), "an error without words");
    MUSTER_CHECK(format == Format::kJpeg || !prepared, "refused the second time only");
    return;
  }
  CheckPicture(picture);
  Row row(plan);
  ImageScratch fresh;
  plan.PrepareDecoded(picture, row.bytes(), fresh);
  MUSTER_CHECK(plan.dtype() != tensor::DType::kFp32 || row.finite(), "a row that is not finite");
  // A JPEG may have been decoded smaller by the first of them.
  if (format == Format::kJpeg) return;
  MUSTER_CHECK(prepared.has_value(), "refused the first time only");
  MUSTER_CHECK(row == kept_row, "another row the second time");
}

}  // namespace muster::fuzz
