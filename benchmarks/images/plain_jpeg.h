#pragma once

// libjpeg-turbo as a C program calls it: the limit that decoding is measured against. In C, so that
// nothing of muster's own adapter is in it.

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Decodes a JPEG scaled by 1 / `divisor` into `pixels`: red, green, blue and an unused byte each,
/// row by row, with the accurate DCT and smooth upsampling. Sets `width` and `height` to what came
/// out. Returns 0; −1 where it would take more than `capacity` bytes. Ends the process for a broken
/// file: this is for files that are known.
int DecodePlainJpeg(const unsigned char* bytes, size_t size, unsigned divisor,
                    unsigned char* pixels, size_t capacity, unsigned* width, unsigned* height);

#ifdef __cplusplus
}
#endif
