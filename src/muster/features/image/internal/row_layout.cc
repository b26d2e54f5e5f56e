#include "muster/features/image/internal/row_layout.h"

#include <span>
#include <string>
#include <vector>

namespace muster::features::image::internal {
namespace {

using base::InvalidArgument;
using base::Result;
using model::Dim;
using model::ImageOptions;
using model::TensorSpec;

/// What the axes of a row stand for.
struct Axes {
  Dim channels, height, width;
  bool nchw = true;
};

base::Error NoPictures(const TensorSpec& input, const std::string& why) {
  return InvalidArgument("`image`: input `" + input.name + "` " + input.ToString() +
                         " takes no pictures: " + why);
}

bool IsChannels(const Dim& dim) { return dim.size == 1 || dim.size == 3; }

/// How many channels the options ask for, 0: as many as the model has.
std::int64_t AskedChannels(const ImageOptions& options) {
  if (!options.channels) return 0;
  return *options.channels == ImageOptions::Channels::kGrey ? 1 : 3;
}

Result<Axes> AxesOfThree(const ImageOptions& options, const TensorSpec& input,
                         std::span<const Dim> dims) {
  using Layout = ImageOptions::Layout;
  const bool is_auto = options.layout == Layout::kAuto;
  if (is_auto && !IsChannels(dims[0]) && !IsChannels(dims[2])) {
    return NoPictures(input, "no axis of 1 or 3 channels; say `image.layout`");
  }
  const bool nchw = is_auto ? IsChannels(dims[0]) : options.layout == Layout::kNchw;
  if (nchw) return Axes{dims[0], dims[1], dims[2], true};
  return Axes{dims[2], dims[0], dims[1], false};
}

Result<Axes> AxesOfFlat(const ImageOptions& options, const TensorSpec& input, const Dim& dim) {
  if (options.size.empty()) return NoPictures(input, "say `image.size`");
  const std::int64_t pixels = options.size[0] * options.size[1];
  Axes axes{.channels = {.size = AskedChannels(options)},
            .height = {.size = options.size[0]},
            .width = {.size = options.size[1]},
            .nchw = options.layout != ImageOptions::Layout::kNhwc};
  if (dim.dynamic()) {
    if (axes.channels.size == 0) axes.channels.size = Dim::kDynamic;
    return axes;
  }
  axes.channels.size = dim.size / pixels;
  if (dim.size % pixels == 0) return axes;
  return NoPictures(input, "its rows are not `image.size` times 1 or 3 channels");
}

Result<Axes> FindAxes(const ImageOptions& options, const TensorSpec& input,
                      std::span<const Dim> dims) {
  switch (dims.size()) {
    case 3:
      return AxesOfThree(options, input, dims);
    case 2:
      return Axes{{.size = 1}, dims[0], dims[1], true};
    case 1:
      return AxesOfFlat(options, input, dims[0]);
    default:
      return NoPictures(input, "expected rows of [C, H, W], [H, W, C], [H, W] or their product");
  }
}

/// The extent that model and options agree on; 0 where neither knows it, -1 where they do not.
std::int64_t Agreed(const Dim& model, std::int64_t asked) {
  if (model.dynamic()) return asked;
  return asked == 0 || asked == model.size ? model.size : -1;
}

// A model may declare any extents: Make refuses those whose product is too large.
Result<tensor::Shape> ShapeOf(const RowLayout& row, std::size_t rank) {
  using Dims = std::vector<std::int64_t>;
  if (rank == 1) return tensor::Shape::Make(Dims{1, row.channels * row.height * row.width});
  if (rank == 2) return tensor::Shape::Make(Dims{1, row.height, row.width});
  if (row.nchw) return tensor::Shape::Make(Dims{1, row.channels, row.height, row.width});
  return tensor::Shape::Make(Dims{1, row.height, row.width, row.channels});
}

}  // namespace

Result<RowLayout> ReadRowLayout(const ImageOptions& options, const model::ModelSpec& spec) {
  if (spec.inputs.size() != 1) {
    return InvalidArgument("`image`: pictures are for models with one input, this has " +
                           std::to_string(spec.inputs.size()));
  }
  const TensorSpec& input = spec.inputs[0];
  if (input.dtype != tensor::DType::kFp32 && input.dtype != tensor::DType::kUint8) {
    return NoPictures(input, "expected FP32 or UINT8");
  }
  const std::span<const Dim> dims = model::RowDims(spec, input);
  MUSTER_ASSIGN_OR_RETURN(const Axes axes, FindAxes(options, input, dims));
  const bool sized = !options.size.empty();
  RowLayout row{.dtype = input.dtype, .nchw = axes.nchw};
  row.height = Agreed(axes.height, sized ? options.size[0] : 0);
  row.width = Agreed(axes.width, sized ? options.size[1] : 0);
  if (row.height < 0 || row.width < 0) return NoPictures(input, "`image.size` says otherwise");
  if (row.height == 0 || row.width == 0) {
    return NoPictures(input, "height and width are open, or 0; say `image.size`");
  }
  const std::int64_t asked = AskedChannels(options);
  const std::int64_t channels =
      axes.channels.dynamic() && asked == 0 ? 3 : Agreed(axes.channels, asked);
  if (channels != 1 && channels != 3) {
    return NoPictures(input, channels < 0 ? "`image.channels` asks for " + std::to_string(asked)
                                          : "expected 1 or 3 channels");
  }
  row.channels = static_cast<int>(channels);
  MUSTER_ASSIGN_OR_RETURN(row.shape, ShapeOf(row, dims.size()));
  return row;
}

}  // namespace muster::features::image::internal
