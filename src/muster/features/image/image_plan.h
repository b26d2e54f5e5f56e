#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "muster/base/result.h"
#include "muster/features/image/decode.h"
#include "muster/features/image/picture.h"
#include "muster/features/image/resize.h"
#include "muster/model/image_options.h"
#include "muster/model/spec.h"
#include "muster/tensor/shape.h"

namespace muster::features::image {

/// A picture as it came: a file, or its base64.
struct Encoded {
  std::span<const std::byte> bytes;
  bool base64 = false;
  std::optional<Format> format = {};  ///< which it is said to be
};

/// Memory that one thread keeps from one picture to the next; what a large one took is given back.
class ImageScratch {
 public:
  void Shrink();

 private:
  friend class ImagePlan;
  std::vector<std::byte> file_;
  Picture picture_;
  Picture other_;
  Picture scaled_;
  ResizeScratch resize_;
};

/// How the pictures for one model become its rows: ImageOptions, with everything that was left to
/// the model filled in. Immutable, so thread-safe.
///
///   auto plan = ImagePlan::Make(config.image, spec);
///   tensor::Tensor rows = Tensor::Allocate(plan->dtype(), plan->row_shape().WithRows(n));
///   plan->Prepare({.bytes = file}, limits, row_bytes, scratch);
class ImagePlan {
 public:
  /// Errors: INVALID_ARGUMENT: the model takes no pictures (several inputs, strings,
  /// a row that is not [C, H, W], [H, W, C], [H, W] or as many numbers), or gives no scores.
  static base::Result<ImagePlan> Make(const model::ImageOptions& options,
                                      const model::ModelSpec& spec);

  /// Decodes, scales and normalises one picture: y = (x · scale − mean) / std in FP32, or rounded
  /// to UINT8, into `row` (row_bytes() bytes). Blocks for as long as that takes, a few milliseconds
  /// for a photograph. Errors: those of DecodeBase64 and Decode.
  base::Status Prepare(const Encoded& picture, const DecodeLimits& limits, std::byte* row,
                       ImageScratch& scratch) const;
  /// The same from a decoded picture, which is not kept. Changes `scratch`.
  void PrepareDecoded(Picture& picture, std::byte* row, ImageScratch& scratch) const;

  tensor::DType dtype() const { return dtype_; }
  const tensor::Shape& row_shape() const { return row_shape_; }  ///< [1, …] as the model takes it
  std::size_t row_bytes() const;
  std::int64_t width() const { return width_; }
  std::int64_t height() const { return height_; }
  int channels() const { return channels_; }
  int output() const { return output_; }  ///< of the scores, among the model's outputs

 private:
  /// Where a picture of some size goes: scaled to width × height, of which the window is put at
  /// (x, y) of the row.
  struct Placement {
    std::int64_t width, height;
    Window window;
    std::int64_t x, y;
  };

  base::Status CheckOptions() const;
  base::Status ReadOutput(const model::ModelSpec& spec);
  base::Status FillTables();
  std::int64_t short_side() const;
  DecodeFor Wanted() const;
  Placement Place(std::int64_t width, std::int64_t height) const;
  bool Inverted(const Picture& picture) const;
  template <class T>
  void Write(const Picture& scaled, const Placement& place, bool inverted, T* row) const;

  model::ImageOptions options_;
  tensor::DType dtype_ = tensor::DType::kFp32;
  tensor::Shape row_shape_{1};
  std::int64_t width_ = 0;
  std::int64_t height_ = 0;
  int channels_ = 3;
  bool nchw_ = true;
  int output_ = 0;
  std::array<std::array<float, 256>, 3> table_{};  // a sample's value, by channel of the model
};

}  // namespace muster::features::image
