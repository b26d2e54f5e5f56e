#include "muster/features/image/image_plan.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>

#include "muster/features/image/base64.h"
#include "muster/features/image/internal/colors.h"
#include "muster/features/image/internal/row_layout.h"
#include "muster/model/layout.h"

namespace muster::features::image {
namespace {

using base::InvalidArgument;
using base::Status;
using model::ImageOptions;

// Decoded to no less than this many times what is wanted, the filter still averages: a JPEG scaled
// by its decoder then differs from one that is decoded whole by about a step of 255 in the mean.
constexpr double kDecodeMargin = 1.5;

double NumberFor(const std::vector<double>& numbers, int channel, double otherwise) {
  if (numbers.empty()) return otherwise;
  return numbers.size() == 1 ? numbers[0] : numbers[static_cast<std::size_t>(channel)];
}

bool GivesScores(const model::TensorSpec& output) {
  const bool is_float = output.dtype == tensor::DType::kFp32 ||
                        output.dtype == tensor::DType::kFp64 ||
                        output.dtype == tensor::DType::kFp16;
  return is_float && output.dims.size() >= 2 && output.dims.back().size != 1;
}

}  // namespace

void ImageScratch::Shrink() {
  constexpr std::size_t kKept = 4u << 20;
  if (file_.capacity() > kKept) file_ = {};
  for (Picture* picture : {&picture_, &other_, &scaled_, &resize_.rows}) picture->Shrink();
}

base::Result<ImagePlan> ImagePlan::Make(const ImageOptions& options, const model::ModelSpec& spec) {
  MUSTER_RETURN_IF_ERROR(options.Validate());
  ImagePlan plan;
  plan.options_ = options;
  MUSTER_ASSIGN_OR_RETURN(const internal::RowLayout row, internal::ReadRowLayout(options, spec));
  plan.dtype_ = row.dtype;
  plan.row_shape_ = row.shape;
  plan.width_ = row.width;
  plan.height_ = row.height;
  plan.channels_ = row.channels;
  plan.nchw_ = row.nchw;
  MUSTER_RETURN_IF_ERROR(plan.CheckOptions());
  MUSTER_RETURN_IF_ERROR(plan.ReadOutput(spec));
  MUSTER_RETURN_IF_ERROR(plan.FillTables());
  return plan;
}

std::size_t ImagePlan::row_bytes() const {
  return static_cast<std::size_t>(row_shape_.elements()) * tensor::DTypeSize(dtype_);
}

std::int64_t ImagePlan::short_side() const {
  return options_.resize > 0 ? options_.resize : std::min(width_, height_);
}

Status ImagePlan::CheckOptions() const {
  if (options_.trim && channels_ != 1) {
    return InvalidArgument("`image.trim` is for models of one channel");
  }
  if (channels_ == 1 && (options_.mean.size() > 1 || options_.std.size() > 1)) {
    return InvalidArgument("`image.mean` and `image.std` expect one number for one channel");
  }
  if (options_.resize > 0 && options_.resize < std::min(width_, height_)) {
    return InvalidArgument("`image.resize` is smaller than the model's " + std::to_string(height_) +
                           " × " + std::to_string(width_) + " pixels");
  }
  return {};
}

Status ImagePlan::ReadOutput(const model::ModelSpec& spec) {
  if (!options_.output.empty()) {
    output_ = spec.FindOutput(options_.output);
    if (output_ >= 0) return {};
    return InvalidArgument("`image.output`: the model has no output `" + options_.output + "`");
  }
  output_ = model::DeriveLayout(spec).probabilities;
  if (output_ >= 0) return {};
  if (std::ranges::count_if(spec.outputs, GivesScores) != 1) {
    return InvalidArgument(
        "`image`: no output of the model is known to be the scores of its classes; say "
        "`image.output`");
  }
  output_ =
      static_cast<int>(std::ranges::find_if(spec.outputs, GivesScores) - spec.outputs.begin());
  return {};
}

// In single precision and in this order, as the frameworks do it in which models are trained.
Status ImagePlan::FillTables() {
  const bool bytes = dtype_ == tensor::DType::kUint8;
  const double scale = options_.scale.value_or(bytes ? 1.0 : 1.0 / 255);
  for (int channel = 0; channel < channels_; ++channel) {
    const auto mean = static_cast<float>(NumberFor(options_.mean, channel, 0));
    const auto std = static_cast<float>(NumberFor(options_.std, channel, 1));
    for (int sample = 0; sample < 256; ++sample) {
      float value = (static_cast<float>(sample * scale) - mean) / std;
      if (!std::isfinite(value)) {
        return InvalidArgument("`image.scale`, `mean` and `std` make numbers that are not finite");
      }
      if (bytes) value = std::clamp(std::round(value), 0.0f, 255.0f);
      table_[static_cast<std::size_t>(channel)][static_cast<std::size_t>(sample)] = value;
    }
  }
  return {};
}

DecodeFor ImagePlan::Wanted() const {
  if (!options_.scaled_decoding || options_.trim) return {};
  const bool crop = options_.fit == ImageOptions::Fit::kCrop;
  const auto enough = [](std::int64_t side) {
    return static_cast<std::int64_t>(std::ceil(static_cast<double>(side) * kDecodeMargin));
  };
  return {.min_width = enough(crop ? std::max(short_side(), width_) : width_),
          .min_height = enough(crop ? std::max(short_side(), height_) : height_)};
}

ImagePlan::Placement ImagePlan::Place(std::int64_t width, std::int64_t height) const {
  using Fit = ImageOptions::Fit;
  if (options_.fit == Fit::kStretch) {
    return {width_, height_, {0, 0, width_, height_}, 0, 0};
  }
  if (options_.fit == Fit::kCrop) {
    // As torchvision's Resize and CenterCrop: the long side is cut, not rounded, the crop's place
    // is rounded, half to even. More than the short side where a model is not square.
    std::int64_t side = short_side();
    const auto scaled = [&](std::int64_t one, std::int64_t other) {
      return one <= other ? side : side * one / other;
    };
    while (scaled(width, height) < width_ || scaled(height, width) < height_) ++side;
    const std::int64_t w = scaled(width, height), h = scaled(height, width);
    const auto middle = [](std::int64_t room) {
      return static_cast<std::int64_t>(std::nearbyint(static_cast<double>(room) / 2));
    };
    return {w, h, {middle(w - width_), middle(h - height_), width_, height_}, 0, 0};
  }
  const double ratio = std::min(static_cast<double>(width_) / static_cast<double>(width),
                                static_cast<double>(height_) / static_cast<double>(height));
  const auto side = [&](std::int64_t from, std::int64_t most) {
    return std::clamp<std::int64_t>(std::llround(static_cast<double>(from) * ratio), 1, most);
  };
  const std::int64_t w = side(width, width_), h = side(height, height_);
  return {w, h, {0, 0, w, h}, (width_ - w) / 2, (height_ - h) / 2};
}

bool ImagePlan::Inverted(const Picture& picture) const {
  using Choice = ImageOptions::Choice;
  if (options_.invert != Choice::kAuto) return options_.invert == Choice::kYes;
  return internal::BorderMean(picture) > 127.5;
}

Status ImagePlan::Prepare(const Encoded& picture, const DecodeLimits& limits, std::byte* row,
                          ImageScratch& scratch) const {
  std::span<const std::byte> file = picture.bytes;
  if (picture.base64) {
    MUSTER_RETURN_IF_ERROR(
        DecodeBase64({reinterpret_cast<const char*>(file.data()), file.size()}, scratch.file_));
    file = scratch.file_;
  }
  DecodeFor wanted = Wanted();
  wanted.format = picture.format;
  Status decoded = Decode(file, wanted, limits, scratch.picture_, scratch.other_);
  if (decoded) PrepareDecoded(scratch.picture_, row, scratch);
  scratch.Shrink();  // whatever came of it
  return decoded;
}

void ImagePlan::PrepareDecoded(Picture& picture, std::byte* row, ImageScratch& scratch) const {
  if (picture.has_alpha && options_.background) internal::Compose(picture, *options_.background);
  if (channels_ == 1 && picture.channels() == 4) internal::ToGrey(picture);
  const bool inverted = Inverted(picture);
  Picture* whole = &picture;
  if (options_.trim && internal::Trim(picture, inverted, scratch.other_)) whole = &scratch.other_;
  const Placement place = Place(whole->width(), whole->height());
  Resize(*whole, place.width, place.height, options_.filter, place.window, scratch.scaled_,
         scratch.resize_);
  if (dtype_ == tensor::DType::kUint8) {
    Write(scratch.scaled_, place, inverted, reinterpret_cast<std::uint8_t*>(row));
  } else {
    Write(scratch.scaled_, place, inverted, reinterpret_cast<float*>(row));
  }
}

template <class T>
void ImagePlan::Write(const Picture& scaled, const Placement& place, bool inverted, T* row) const {
  const std::int64_t step = nchw_ ? 1 : channels_;
  for (int channel = 0; channel < channels_; ++channel) {
    const auto c = static_cast<std::size_t>(channel);
    const bool bgr = options_.channels == ImageOptions::Channels::kBgr;
    const std::size_t color = bgr ? 2 - c : c;
    std::array<T, 256> values;
    for (std::size_t sample = 0; sample < 256; ++sample) {
      values[sample] = static_cast<T>(table_[c][inverted ? 255 - sample : sample]);
    }
    T* const plane = row + (nchw_ ? channel * height_ * width_ : channel);
    if (place.window.width < width_ || place.window.height < height_) {
      const T around = options_.background
                           ? values[channels_ == 1 ? internal::Grey(*options_.background)
                                                   : (*options_.background)[color]]
                           : static_cast<T>(table_[c][0]);
      for (std::int64_t i = 0; i < width_ * height_; ++i) {
        plane[i * step] = around;
      }
    }
    const std::int64_t stride = scaled.channels();
    for (std::int64_t y = 0; y < place.window.height; ++y) {
      const std::uint8_t* const samples = scaled.row(y) + (stride == 1 ? 0 : color);
      T* const out = plane + ((place.y + y) * width_ + place.x) * step;
      for (std::int64_t x = 0; x < place.window.width; ++x) {
        out[x * step] = values[samples[x * stride]];
      }
    }
  }
}

}  // namespace muster::features::image
