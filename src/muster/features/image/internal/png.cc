#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <png.h>

#include "muster/features/image/internal/codecs.h"

namespace muster::features::image::internal {
namespace {

constexpr png_alloc_size_t kMaxChunkBytes = 1u << 20;  // of those that are kept, as EXIF is
// Some of these are compressed, and kept for nobody: a small file could ask for much memory.
constexpr png_byte kIgnored[] = "tEXt\0zTXt\0iTXt\0iCCP\0sPLT\0hIST\0pCAL\0sCAL";
constexpr int kIgnoredCount = sizeof kIgnored / 5;

/// As in jpeg.cc: the library's errors jump back into the method that called it.
class PngReader {
 public:
  explicit PngReader(std::span<const std::uint8_t> bytes) : rest_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, OnError, OnWarning);
    if (png_ == nullptr) return;
    info_ = png_create_info_struct(png_);
    end_ = png_create_info_struct(png_);
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, &end_); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  bool ready() const { return png_ != nullptr && info_ != nullptr && end_ != nullptr; }

  bool ReadHeader() {
    if (setjmp(escape_) != 0) return false;
    png_set_read_fn(png_, this, OnRead);
    // The library's own limit may be lower than ours, which CheckSize holds it to.
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_malloc_max(png_, kMaxChunkBytes);
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, kIgnored, kIgnoredCount);
    png_read_info(png_, info_);
    return true;
  }

  /// To 8 bits, and to grey, or to red, green, blue and a fourth.
  bool Transform() {
    if (setjmp(escape_) != 0) return false;
    const png_byte color = png_get_color_type(png_, info_);
    const bool transparent = png_get_valid(png_, info_, PNG_INFO_tRNS) != 0;
    has_alpha_ = (color & PNG_COLOR_MASK_ALPHA) != 0 || transparent;
    png_set_strip_16(png_);
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png_);
    if (transparent) png_set_tRNS_to_alpha(png_);
    const bool grey = (color & PNG_COLOR_MASK_COLOR) == 0;
    if (grey && has_alpha_) png_set_gray_to_rgb(png_);
    if (!grey && !has_alpha_) png_set_filler(png_, 0xff, PNG_FILLER_AFTER);
    passes_ = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    channels_ = grey && !has_alpha_ ? 1 : 4;
    return png_get_rowbytes(png_, info_) == static_cast<std::size_t>(channels_) * width();
  }

  bool ReadRows(std::uint8_t* first, std::size_t row_bytes) {
    if (setjmp(escape_) != 0) return false;
    const png_uint_32 rows = png_get_image_height(png_, info_);
    for (int pass = 0; pass < passes_; ++pass) {
      for (png_uint_32 y = 0; y < rows; ++y) {
        png_read_row(png_, first + y * row_bytes, nullptr);
      }
    }
    png_read_end(png_, end_);  // EXIF may stand behind the pixels
    return true;
  }

  Orientation orientation() {
    for (png_infop info : {info_, end_}) {
      png_bytep block = nullptr;
      png_uint_32 size = 0;
      if (png_get_eXIf_1(png_, info, &size, &block) != 0) {
        return ReadOrientation(std::as_bytes(std::span(block, size)));
      }
    }
    return 1;
  }

  png_uint_32 width() const { return png_get_image_width(png_, info_); }
  png_uint_32 height() const { return png_get_image_height(png_, info_); }
  int channels() const { return channels_; }
  bool has_alpha() const { return has_alpha_; }
  base::Error error() const {
    return truncated_ ? Truncated(Format::kPng) : Broken(Format::kPng, text_);
  }

 private:
  [[noreturn]] static void OnError(png_structp png, png_const_charp text) {
    auto& self = *static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(self.text_, sizeof self.text_, "%s", text);
    std::longjmp(self.escape_, 1);
  }
  static void OnWarning(png_structp, png_const_charp) {}
  static void OnRead(png_structp png, png_bytep into, std::size_t size) {
    auto& self = *static_cast<PngReader*>(png_get_io_ptr(png));
    if (size > self.rest_.size()) {
      self.truncated_ = true;
      png_error(png, "truncated");
    }
    std::memcpy(into, self.rest_.data(), size);
    self.rest_ = self.rest_.subspan(size);
  }

  std::span<const std::uint8_t> rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  png_infop end_ = nullptr;
  std::jmp_buf escape_;
  char text_[128] = {};
  bool truncated_ = false;
  bool has_alpha_ = false;
  int passes_ = 1;
  int channels_ = 0;
};

}  // namespace

base::Result<Orientation> DecodePng(std::span<const std::byte> bytes, const DecodeLimits& limits,
                                    Picture& out) {
  PngReader reader(AsUnsigned(bytes));
  if (!reader.ready()) return base::ResourceExhausted("out of memory for a PNG");
  if (!reader.ReadHeader()) return reader.error();
  MUSTER_RETURN_IF_ERROR(CheckSize(reader.width(), reader.height(), limits));
  if (!reader.Transform()) return reader.error();
  out.Reset(reader.width(), reader.height(), reader.channels());
  out.has_alpha = reader.has_alpha();
  if (!reader.ReadRows(out.row(0), out.row_bytes())) return reader.error();
  return reader.orientation();
}

}  // namespace muster::features::image::internal
