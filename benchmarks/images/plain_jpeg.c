#include "plain_jpeg.h"

#include <stdio.h>

#include <jpeglib.h>

enum { kRowsACall = 16 };

int DecodePlainJpeg(const unsigned char* bytes, size_t size, unsigned divisor,
                    unsigned char* pixels, size_t capacity, unsigned* width, unsigned* height) {
  struct jpeg_decompress_struct info;
  struct jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes, (unsigned long)size);
  jpeg_read_header(&info, TRUE);
  info.out_color_space = JCS_EXT_RGBX;
  info.dct_method = JDCT_ISLOW;
  info.do_fancy_upsampling = TRUE;
  info.scale_num = 1;
  info.scale_denom = divisor;
  jpeg_start_decompress(&info);
  *width = info.output_width;
  *height = info.output_height;
  const size_t row_bytes = (size_t)info.output_width * 4;
  if (row_bytes * info.output_height > capacity) {
    jpeg_destroy_decompress(&info);
    return -1;
  }
  while (info.output_scanline < info.output_height) {
    JSAMPROW rows[kRowsACall];
    JDIMENSION count = 0;
    for (; count < kRowsACall && info.output_scanline + count < info.output_height; ++count) {
      rows[count] = pixels + (info.output_scanline + count) * row_bytes;
    }
    jpeg_read_scanlines(&info, rows, count);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return 0;
}
