#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <jpeglib.h>
// After jpeglib.h, which it needs.
#include <jerror.h>

#include "muster/features/image/internal/codecs.h"

namespace muster::features::image::internal {
namespace {

constexpr int kExifMarker = JPEG_APP0 + 1;
constexpr std::array<unsigned char, 6> kExifHeader = {'E', 'x', 'i', 'f', 0, 0};

/// libjpeg reports errors by a call that must not return: here it jumps back into the method of
/// JpegReader that called the library, all of which keep nothing that would need a destructor.
struct Errors {
  jpeg_error_mgr manager;  // first: libjpeg hands out a pointer to this
  std::jmp_buf escape;
  bool truncated = false;
  char text[JMSG_LENGTH_MAX] = {};
};

[[noreturn]] void Escape(j_common_ptr info) {
  auto& errors = reinterpret_cast<Errors&>(*info->err);
  if (!errors.truncated) errors.manager.format_message(info, errors.text);
  std::longjmp(errors.escape, 1);
}

// Warnings (level −1) are bytes between markers and the like, which cameras leave behind, or data
// that ends too early.
void OnMessage(j_common_ptr info, int level) {
  auto& errors = reinterpret_cast<Errors&>(*info->err);
  if (level >= 0 || errors.manager.msg_code != JWRN_JPEG_EOF) return;
  errors.truncated = true;
  Escape(info);
}

struct Progress {
  jpeg_progress_mgr manager;  // first, as above
  int max_scans = 0;
};

void OnProgress(j_common_ptr info) {
  const auto& progress = reinterpret_cast<const Progress&>(*info->progress);
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= progress.max_scans) return;
  auto& errors = reinterpret_cast<Errors&>(*info->err);
  std::snprintf(errors.text, sizeof errors.text, "more than %d scans", progress.max_scans);
  std::longjmp(errors.escape, 1);
}

class JpegReader {
 public:
  explicit JpegReader(int max_scans) {
    info_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = Escape;
    errors_.manager.emit_message = OnMessage;
    progress_.max_scans = max_scans;
    progress_.manager.progress_monitor = OnProgress;
  }
  ~JpegReader() { jpeg_destroy_decompress(&info_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool ReadHeader(const std::uint8_t* bytes, std::size_t size) {
    if (setjmp(errors_.escape) != 0) return false;
    jpeg_create_decompress(&info_);
    info_.progress = &progress_.manager;
    jpeg_mem_src(&info_, bytes, size);
    jpeg_save_markers(&info_, kExifMarker, 0xffff);
    jpeg_read_header(&info_, TRUE);
    return true;
  }
  bool Start() {
    if (setjmp(errors_.escape) != 0) return false;
    jpeg_start_decompress(&info_);
    return true;
  }
  bool ReadRows(std::uint8_t* first, std::size_t row_bytes) {
    if (setjmp(errors_.escape) != 0) return false;
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = first + info_.output_scanline * row_bytes;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  jpeg_decompress_struct& info() { return info_; }
  base::Error error() const {
    return errors_.truncated ? Truncated(Format::kJpeg) : Broken(Format::kJpeg, errors_.text);
  }

 private:
  jpeg_decompress_struct info_{};
  Errors errors_{};
  Progress progress_{};
};

Orientation OrientationOf(const jpeg_decompress_struct& info) {
  for (const jpeg_marker_struct* m = info.marker_list; m != nullptr; m = m->next) {
    if (m->marker != kExifMarker || m->data_length < kExifHeader.size() ||
        std::memcmp(m->data, kExifHeader.data(), kExifHeader.size()) != 0) {
      continue;
    }
    return ReadOrientation(
        std::as_bytes(std::span(m->data, m->data_length)).subspan(kExifHeader.size()));
  }
  return 1;
}

/// The smallest of 1, 1/2, 1/4 and 1/8 that keeps enough pixels: those for which libjpeg-turbo has
/// vectorised transforms.
unsigned Divisor(const jpeg_decompress_struct& info, const DecodeFor& wanted, bool swapped) {
  const std::int64_t width = swapped ? wanted.min_height : wanted.min_width;
  const std::int64_t height = swapped ? wanted.min_width : wanted.min_height;
  if (width <= 0 || height <= 0) return 1;
  unsigned divisor = 8;
  while (divisor > 1 && (info.image_width / divisor < static_cast<std::uint64_t>(width) ||
                         info.image_height / divisor < static_cast<std::uint64_t>(height))) {
    divisor /= 2;
  }
  return divisor;
}

std::uint8_t Scaled(unsigned a, unsigned b) {  // a · b / 255, rounded
  const unsigned t = a * b + 128;
  return static_cast<std::uint8_t>((t + (t >> 8)) >> 8);
}

/// In place, from what Photoshop and all others after it write: inverted CMYK.
void CmykToRgb(Picture& picture) {
  const std::span<std::uint8_t> samples = picture.samples();
  for (std::size_t i = 0; i < samples.size(); i += 4) {
    std::uint8_t* const p = &samples[i];
    const unsigned light = p[3];
    for (int c = 0; c < 3; ++c) {
      p[c] = static_cast<std::uint8_t>(light - Scaled(255u - p[c], light));
    }
    p[3] = 255;
  }
}

}  // namespace

base::Result<Orientation> DecodeJpeg(std::span<const std::byte> bytes, const DecodeFor& wanted,
                                     const DecodeLimits& limits, Picture& out) {
  JpegReader reader(limits.max_scans);
  if (!reader.ReadHeader(AsUnsigned(bytes).data(), bytes.size())) return reader.error();
  jpeg_decompress_struct& info = reader.info();
  MUSTER_RETURN_IF_ERROR(CheckSize(info.image_width, info.image_height, limits));
  const Orientation orientation = OrientationOf(info);
  const bool cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  const bool grey = info.jpeg_color_space == JCS_GRAYSCALE;
  info.out_color_space = cmyk ? JCS_CMYK : grey ? JCS_GRAYSCALE : JCS_EXT_RGBX;
  info.dct_method = JDCT_ISLOW;
  info.do_fancy_upsampling = TRUE;
  info.scale_num = 1;
  info.scale_denom = Divisor(info, wanted, SwapsAxes(orientation));
  if (!reader.Start()) return reader.error();
  out.Reset(info.output_width, info.output_height, info.output_components);
  if (!reader.ReadRows(out.row(0), out.row_bytes())) return reader.error();
  if (cmyk) CmykToRgb(out);
  return orientation;
}

}  // namespace muster::features::image::internal
