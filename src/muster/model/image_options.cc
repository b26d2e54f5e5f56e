#include "muster/model/image_options.h"

#include <cmath>

namespace muster::model {
namespace {

using base::InvalidArgument;
using base::Status;

constexpr std::int64_t kMaxSide = 16'384;

Status CheckNumbers(const std::vector<double>& numbers, const std::string& key, bool divides) {
  if (numbers.size() > 1 && numbers.size() != 3) {
    return InvalidArgument("`image." + key + "` expects one number or three, got " +
                           std::to_string(numbers.size()));
  }
  for (const double number : numbers) {
    if (!std::isfinite(number) || (divides && number == 0)) {
      return InvalidArgument("`image." + key + "` expects " +
                             (divides ? "finite numbers other than 0" : "finite numbers"));
    }
  }
  return {};
}

}  // namespace

Status ImageOptions::Validate() const {
  if (!size.empty() && size.size() != 2) {
    return InvalidArgument("`image.size` expects [height, width]");
  }
  for (const std::int64_t side : size) {
    if (side < 1 || side > kMaxSide) {
      return InvalidArgument("`image.size` expects 1 to " + std::to_string(kMaxSide) +
                             " pixels, got " + std::to_string(side));
    }
  }
  if (resize < 0 || resize > kMaxSide) {
    return InvalidArgument("`image.resize` expects 0 (the model's) to " + std::to_string(kMaxSide) +
                           " pixels, got " + std::to_string(resize));
  }
  if (resize > 0 && fit != Fit::kCrop) {
    return InvalidArgument("`image.resize` is for `fit: crop` only");
  }
  if (scale && !std::isfinite(*scale)) {
    return InvalidArgument("`image.scale` expects a finite number");
  }
  MUSTER_RETURN_IF_ERROR(CheckNumbers(mean, "mean", false));
  MUSTER_RETURN_IF_ERROR(CheckNumbers(std, "std", true));
  if (top_k < 1 || top_k > 1'000'000) {
    return InvalidArgument("`image.top_k` expects 1 to 1000000, got " + std::to_string(top_k));
  }
  return {};
}

}  // namespace muster::model
