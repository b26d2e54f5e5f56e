#include <algorithm>
#include <cstring>
#include <memory>
#include <webp/decode.h>
#include <webp/demux.h>

#include "muster/features/image/internal/codecs.h"

namespace muster::features::image::internal {
namespace {

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
using DemuxerPtr = std::unique_ptr<WebPDemuxer, DeleteDemuxer>;

base::Error StatusError(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
      return Truncated(Format::kWebp);
    case VP8_STATUS_OUT_OF_MEMORY:
      return base::ResourceExhausted("out of memory for a WebP");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return Broken(Format::kWebp, "an unsupported feature");
    default:
      return Broken(Format::kWebp, "its bitstream is no WebP");
  }
}

/// One bitstream into the pixels at `into`, whose rows are `stride` bytes apart.
base::Status DecodeFrame(const std::uint8_t* bytes, std::size_t size, std::uint8_t* into,
                         std::int64_t stride, std::int64_t width, std::int64_t height) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) return base::Internal("libwebp is another version");
  const VP8StatusCode header = WebPGetFeatures(bytes, size, &config.input);
  if (header != VP8_STATUS_OK) return StatusError(header);
  if (config.input.width != width || config.input.height != height) {
    return Broken(Format::kWebp, "a frame is not as large as it says");
  }
  config.output.colorspace = MODE_RGBA;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = into;
  config.output.u.RGBA.stride = static_cast<int>(stride);
  config.output.u.RGBA.size = static_cast<std::size_t>((height - 1) * stride + width * 4);
  const VP8StatusCode decoded = WebPDecode(bytes, size, &config);
  WebPFreeDecBuffer(&config.output);
  return decoded == VP8_STATUS_OK ? base::Status() : base::Status(StatusError(decoded));
}

Orientation OrientationOf(const WebPDemuxer* demuxer) {
  WebPChunkIterator chunk;
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk) == 0) return 1;
  std::span<const std::uint8_t> block(chunk.chunk.bytes, chunk.chunk.size);
  // Some writers keep the header that JPEG has before it.
  constexpr std::string_view kHeader("Exif\0\0", 6);
  if (block.size() > kHeader.size() &&
      std::memcmp(block.data(), kHeader.data(), kHeader.size()) == 0) {
    block = block.subspan(kHeader.size());
  }
  const Orientation orientation = ReadOrientation(std::as_bytes(block));
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

/// The first frame of an animation may cover a part of the canvas; the rest is transparent.
base::Status DecodeFirstFrame(const WebPDemuxer* demuxer, Picture& out) {
  WebPIterator frame;
  if (WebPDemuxGetFrame(demuxer, 1, &frame) == 0) return Broken(Format::kWebp, "it has no frame");
  base::Status status;
  if (frame.x_offset < 0 || frame.y_offset < 0 || frame.x_offset + frame.width > out.width() ||
      frame.y_offset + frame.height > out.height() || frame.complete == 0) {
    status = Broken(Format::kWebp, "its first frame is not all there");
  } else {
    std::ranges::fill(out.samples(), std::uint8_t{0});
    status = DecodeFrame(frame.fragment.bytes, frame.fragment.size,
                         out.row(frame.y_offset) + std::ptrdiff_t{4} * frame.x_offset,
                         static_cast<std::int64_t>(out.row_bytes()), frame.width, frame.height);
  }
  WebPDemuxReleaseIterator(&frame);
  return status;
}

}  // namespace

base::Result<Orientation> DecodeWebp(std::span<const std::byte> bytes, const DecodeLimits& limits,
                                     Picture& out) {
  const std::span<const std::uint8_t> data = AsUnsigned(bytes);
  WebPBitstreamFeatures features;
  const VP8StatusCode header = WebPGetFeatures(data.data(), data.size(), &features);
  if (header != VP8_STATUS_OK) return StatusError(header);
  MUSTER_RETURN_IF_ERROR(CheckSize(static_cast<std::uint64_t>(features.width),
                                   static_cast<std::uint64_t>(features.height), limits));
  const WebPData all{data.data(), data.size()};
  const DemuxerPtr demuxer(WebPDemux(&all));
  if (demuxer == nullptr) {
    if (features.has_animation != 0) return Broken(Format::kWebp, "its frames cannot be found");
  }
  out.Reset(features.width, features.height, 4);
  out.has_alpha = features.has_alpha != 0 || features.has_animation != 0;
  if (features.has_animation != 0) {
    MUSTER_RETURN_IF_ERROR(DecodeFirstFrame(demuxer.get(), out));
  } else {
    MUSTER_RETURN_IF_ERROR(DecodeFrame(data.data(), data.size(), out.row(0),
                                       static_cast<std::int64_t>(out.row_bytes()), out.width(),
                                       out.height()));
  }
  return demuxer == nullptr ? 1 : OrientationOf(demuxer.get());
}

}  // namespace muster::features::image::internal
