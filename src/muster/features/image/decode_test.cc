#include "muster/features/image/decode.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iterator>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <utility>
#include <vector>

#include "muster/features/image/internal/codecs.h"

namespace muster::features::image {
namespace {

using internal::ReadOrientation;
using testing::AnyOf;
using testing::Not;
using testing::StartsWith;

using Bytes = std::vector<std::byte>;

constexpr const char* kFormatRefused = "INVALID_ARGUMENT (IMAGE_FORMAT)";
constexpr const char* kSizeRefused = "INVALID_ARGUMENT (IMAGE_SIZE)";
constexpr const char* kTruncated = "INVALID_ARGUMENT (IMAGE_TRUNCATED)";
constexpr const char* kBroken = "INVALID_ARGUMENT (IMAGE_DATA)";

// See tests/images/make_golden.py.
Bytes ReadGolden(const std::string& name) {
  std::ifstream file(std::string(MUSTER_SOURCE_DIR) + "/tests/images/golden/" + name,
                     std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_FALSE(text.empty()) << name;
  Bytes bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

Bytes BytesOf(std::string_view text) {
  Bytes bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

unsigned At(const Bytes& bytes, std::size_t at) { return std::to_integer<unsigned>(bytes[at]); }

void PutBig(Bytes& bytes, std::size_t at, std::size_t size, std::uint32_t number) {
  for (std::size_t i = 0; i < size; ++i) {
    bytes[at + size - 1 - i] = static_cast<std::byte>(number >> (8 * i) & 0xff);
  }
}

void PutLittle(Bytes& bytes, std::size_t at, std::size_t size, std::uint32_t number) {
  for (std::size_t i = 0; i < size; ++i) {
    bytes[at + i] = static_cast<std::byte>(number >> (8 * i) & 0xff);
  }
}

/// "decoded as W x H", or the error.
std::string Told(const Bytes& bytes, const DecodeFor& wanted = {},
                 const DecodeLimits& limits = {}) {
  Picture picture, scratch;
  const base::Status status = Decode(bytes, wanted, limits, picture, scratch);
  if (!status) return status.error().ToString();
  return "decoded as " + std::to_string(picture.width()) + " x " + std::to_string(picture.height());
}

// One of every kind of each format: what follows must hold for all.
const char* const kFiles[] = {
    "rgb420.jpg",    "progressive.jpg", "grey.jpg",       "cmyk.jpg",           "restarts.jpg",
    "oriented6.jpg", "rgba.png",        "palette.png",    "one_bit.png",        "interlaced.png",
    "rgb16.png",     "oriented6.png",   "lossy.webp",     "lossless.webp",      "lossy_alpha.webp",
    "one.webp",      "animated.webp",   "oriented6.webp", "animated_part.webp",
};

TEST(Decode, RefusesEveryPrefixOfAFile) {
  for (const char* const name : kFiles) {
    const Bytes file = ReadGolden(name);
    const std::size_t step = 1 + file.size() / 400;
    for (std::size_t size = 0; size < file.size();
         size += size < 64 || size + 64 >= file.size() ? 1 : step) {
      // In memory of just its size, so that a sanitizer sees a byte that is read behind it.
      const Bytes prefix(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
      const std::string told = Told(prefix);
      EXPECT_THAT(told,
                  AnyOf(StartsWith(kTruncated), StartsWith(kBroken), StartsWith(kFormatRefused)))
          << size << " bytes of " << file.size() << " of " << name;
      // With all of the signature there it is not the format that is wrong.
      if (size >= 12) {
        EXPECT_THAT(told, Not(StartsWith(kFormatRefused))) << size << " of " << name;
      }
    }
  }
}

TEST(Decode, SaysOfAFileThatIsCutInThePixelsThatItIsTruncated) {
  for (const char* const name : {"rgb420.jpg", "grey.jpg", "progressive.jpg", "rgba.png",
                                 "interlaced.png", "lossy.webp", "lossless.webp"}) {
    Bytes file = ReadGolden(name);
    file.resize(file.size() * 3 / 4);
    EXPECT_THAT(Told(file), StartsWith(kTruncated)) << name;
  }
}

TEST(Decode, SurvivesEveryByteThatIsWrong) {
  // So that a size that is wrong costs no time.
  const DecodeLimits limits = {.max_pixels = 100'000, .max_side = 2'000};
  for (const char* const name : kFiles) {
    const Bytes file = ReadGolden(name);
    const std::size_t step = 1 + file.size() / 400;
    for (std::size_t at = 0; at < file.size(); at += at < 64 ? 1 : step) {
      for (const unsigned change : {0x01u, 0x80u, 0xffu}) {
        Bytes wrong = file;
        wrong[at] ^= static_cast<std::byte>(change);
        EXPECT_THAT(Told(wrong, {}, limits),
                    AnyOf(StartsWith("decoded as "), StartsWith("INVALID_ARGUMENT (IMAGE_")))
            << name << ", byte " << at << " changed by " << change;
      }
    }
  }
}

TEST(Decode, SurvivesAPieceThatIsMissing) {
  const DecodeLimits limits = {.max_pixels = 100'000, .max_side = 2'000};
  for (const char* const name : kFiles) {
    const Bytes file = ReadGolden(name);
    for (std::size_t at = 0; at < file.size(); at += 1 + file.size() / 100) {
      Bytes wrong = file;
      const std::size_t size = std::min<std::size_t>(file.size() - at, 7);
      wrong.erase(wrong.begin() + static_cast<std::ptrdiff_t>(at),
                  wrong.begin() + static_cast<std::ptrdiff_t>(at + size));
      EXPECT_THAT(Told(wrong, {}, limits),
                  AnyOf(StartsWith("decoded as "), StartsWith("INVALID_ARGUMENT (IMAGE_")))
          << name << ", without " << size << " bytes at " << at;
    }
  }
}

TEST(Decode, PassesOverWhatStandsBehindThePicture) {
  for (const char* const name : kFiles) {
    Bytes file = ReadGolden(name);
    const std::string told = Told(file);
    EXPECT_THAT(told, StartsWith("decoded as ")) << name;
    file.insert(file.end(), 100, std::byte{0x5a});
    EXPECT_EQ(Told(file), told) << name;
  }
}

TEST(Decode, GivesTheSameInMemoryThatABrokenFileLeft) {
  Picture picture, scratch;
  for (const char* const name : {"rgba.png", "grey.jpg", "oriented6.webp", "oriented6.jpg"}) {
    const Bytes file = ReadGolden(name);
    Picture fresh, other;
    ASSERT_TRUE(Decode(file, {}, {}, fresh, other)) << name;
    const Bytes prefix(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(file.size() / 2));
    EXPECT_FALSE(Decode(prefix, {}, {}, picture, scratch)) << name;
    ASSERT_TRUE(Decode(file, {}, {}, picture, scratch)) << name;
    EXPECT_EQ(picture.has_alpha, fresh.has_alpha) << name;
    EXPECT_TRUE(std::ranges::equal(picture.samples(), fresh.samples())) << name;
  }
}

// ---- formats

TEST(SniffFormat, LooksAtTheFirstBytes) {
  EXPECT_EQ(SniffFormat(ReadGolden("one.jpg")), Format::kJpeg);
  EXPECT_EQ(SniffFormat(ReadGolden("one.png")), Format::kPng);
  EXPECT_EQ(SniffFormat(ReadGolden("one.webp")), Format::kWebp);
  EXPECT_FALSE(SniffFormat({}).has_value());
  EXPECT_FALSE(SniffFormat(BytesOf("\xff\xd8")).has_value());
  EXPECT_FALSE(SniffFormat(BytesOf("RIFF....WEB")).has_value());
}

TEST(Decode, RefusesOtherFormatsAndShowsHowTheyBegin) {
  EXPECT_EQ(Told(BytesOf("GIF89a\x01")),
            std::string(kFormatRefused) +
                ": expected a JPEG, PNG or WebP, got 7 bytes that begin with GIF89a\\u0001");
  EXPECT_THAT(Told({}), StartsWith(std::string(kFormatRefused) +
                                   ": expected a JPEG, PNG or WebP, got 0 bytes"));
  for (const std::string_view bytes :
       {std::string_view("BM\x3a\0\0\0\0\0\0\0\x36\0", 12), std::string_view("II\x2a\0", 4),
        std::string_view("RIFF\x10\0\0\0WAVEfmt ", 16), std::string_view("<svg></svg>"),
        std::string_view("{\"image\":1}"), std::string_view("\0\0\0\0\0\0\0\0\0\0\0\0", 12),
        std::string_view("\0\0\0\x18"
                         "ftypavif",
                         12),
        std::string_view("\x89PNG\n\n\x1a\n")}) {
    EXPECT_THAT(Told(BytesOf(bytes)), StartsWith(kFormatRefused)) << bytes;
  }
}

TEST(Decode, RefusesNothingButTheSignature) {
  EXPECT_THAT(Told(BytesOf("\xff\xd8\xff")), StartsWith(kTruncated));
  EXPECT_THAT(Told(BytesOf("\x89PNG\r\n\x1a\n")), StartsWith(kTruncated));
  EXPECT_THAT(Told(BytesOf({"RIFF\x20\0\0\0WEBP", 12})),
              AnyOf(StartsWith(kTruncated), StartsWith(kBroken)));
}

TEST(Decode, RefusesAnotherFormatThanItIsSaidToBe) {
  const std::pair<Format, const char*> files[] = {
      {Format::kJpeg, "one.jpg"}, {Format::kPng, "one.png"}, {Format::kWebp, "one.webp"}};
  for (const auto& [format, name] : files) {
    for (const auto& [said, other] : files) {
      const std::string told = Told(ReadGolden(name), {.format = said});
      if (said == format) {
        EXPECT_EQ(told, "decoded as 1 x 1");
      } else {
        EXPECT_EQ(told, std::string(kFormatRefused) + ": expected a " +
                            std::string(FormatName(said)) + ", as the content type says, got a " +
                            std::string(FormatName(format)));
      }
    }
  }
}

// ---- sizes

std::uint32_t Crc32(const std::byte* bytes, std::size_t size) {
  std::uint32_t crc = 0xffffffffu;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= std::to_integer<std::uint32_t>(bytes[i]);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

/// A PNG of which the header says another size, with the checksum that belongs to it.
Bytes PngOfSize(std::uint32_t width, std::uint32_t height) {
  Bytes file = ReadGolden("rgb.png");
  PutBig(file, 16, 4, width);
  PutBig(file, 20, 4, height);
  PutBig(file, 29, 4, Crc32(&file[12], 17));
  return file;
}

struct Segment {
  unsigned marker;
  std::size_t begin;  // of its 0xff
  std::size_t end;    // of the pixels, behind a start of scan
};

std::vector<Segment> JpegSegments(const Bytes& file) {
  constexpr unsigned kStartOfScan = 0xda, kEnd = 0xd9;
  std::vector<Segment> segments;
  std::size_t at = 2;
  while (at + 4 <= file.size() && At(file, at + 1) != kEnd) {
    const unsigned marker = At(file, at + 1);
    std::size_t end = at + 2 + (At(file, at + 2) << 8 | At(file, at + 3));
    // Among the pixels 0xff is followed by 0, or by the number of a restart.
    while (
        marker == kStartOfScan && end + 1 < file.size() &&
        (At(file, end) != 0xff || At(file, end + 1) == 0 || (At(file, end + 1) & 0xf8) == 0xd0)) {
      ++end;
    }
    segments.push_back({marker, at, end});
    at = end;
  }
  return segments;
}

Bytes JpegOfSize(const std::string& name, std::uint32_t width, std::uint32_t height) {
  Bytes file = ReadGolden(name);
  bool found = false;
  for (const Segment& segment : JpegSegments(file)) {
    if (segment.marker != 0xc0 && segment.marker != 0xc2) continue;  // baseline, progressive
    PutBig(file, segment.begin + 5, 2, height);
    PutBig(file, segment.begin + 7, 2, width);
    found = true;
  }
  EXPECT_TRUE(found);
  return file;
}

Bytes Riff(std::string_view chunk, const Bytes& body) {
  Bytes file = BytesOf({"RIFF\0\0\0\0WEBP", 12});
  const Bytes name = BytesOf(chunk);
  file.insert(file.end(), name.begin(), name.end());
  file.resize(file.size() + 4);
  PutLittle(file, file.size() - 4, 4, static_cast<std::uint32_t>(body.size()));
  file.insert(file.end(), body.begin(), body.end());
  if (body.size() % 2 != 0) file.push_back(std::byte{0});
  PutLittle(file, 4, 4, static_cast<std::uint32_t>(file.size() - 8));
  return file;
}

/// An extended WebP that has a canvas and nothing on it.
Bytes WebpOfCanvas(std::uint32_t width, std::uint32_t height, unsigned flags) {
  Bytes body(10);
  body[0] = static_cast<std::byte>(flags);
  PutLittle(body, 4, 3, width - 1);
  PutLittle(body, 7, 3, height - 1);
  return Riff("VP8X", body);
}

/// The header of a lossless WebP, and pixels that are none.
Bytes LosslessOfSize(std::uint32_t width, std::uint32_t height) {
  Bytes body(64);
  body[0] = std::byte{0x2f};
  PutLittle(body, 1, 4, (width - 1) | (height - 1) << 14);
  return Riff("VP8L", body);
}

/// A lossy WebP of which the header says another size.
Bytes LossyOfSize(std::uint32_t width, std::uint32_t height) {
  Bytes file = ReadGolden("lossy.webp");
  PutLittle(file, 26, 2, width);
  PutLittle(file, 28, 2, height);
  return file;
}

TEST(Decode, RefusesAHeaderThatSaysTooMuch) {
  const std::string most = " pixels; at most 50000000, and 32768 on a side, are allowed";
  const std::string huge = std::string(kSizeRefused) + ": the picture has 50000 × 50000" + most;
  EXPECT_EQ(Told(PngOfSize(50'000, 50'000)), huge);
  EXPECT_EQ(Told(JpegOfSize("rgb420.jpg", 50'000, 50'000)), huge);
  EXPECT_EQ(Told(JpegOfSize("progressive.jpg", 50'000, 50'000)), huge);
  EXPECT_EQ(Told(WebpOfCanvas(50'000, 50'000, 0)), huge);
  constexpr unsigned kAnimated = 2;
  EXPECT_EQ(Told(WebpOfCanvas(50'000, 50'000, kAnimated)), huge);
  // The other two kinds of WebP have 14 bits for a side.
  const std::string large = std::string(kSizeRefused) + ": the picture has ";
  EXPECT_EQ(Told(LosslessOfSize(16'384, 16'384)), large + "16384 × 16384" + most);
  EXPECT_EQ(Told(LossyOfSize(16'383, 16'383)), large + "16383 × 16383" + most);
}

TEST(Decode, RefusesSizesWhoseProductOverflows) {
  for (const Bytes& file :
       {PngOfSize(0x7fffffff, 0x7fffffff), PngOfSize(0x7fffffff, 1), PngOfSize(1, 0x7fffffff),
        PngOfSize(0xffffffff, 0xffffffff), PngOfSize(0x80000000, 2), PngOfSize(65'536, 65'536),
        JpegOfSize("rgb420.jpg", 65'535, 65'535), JpegOfSize("progressive.jpg", 65'500, 65'500),
        WebpOfCanvas(1 << 24, 1 << 24, 0), WebpOfCanvas(1 << 24, 1 << 24, 2),
        WebpOfCanvas(1 << 24, 1, 0), WebpOfCanvas(65'536, 65'536, 2)}) {
    EXPECT_THAT(Told(file), AnyOf(StartsWith(kSizeRefused), StartsWith(kBroken)));
  }
}

TEST(Decode, RefusesSizesOfZero) {
  constexpr std::array<std::array<std::uint32_t, 2>, 3> kSizes = {{{0, 47}, {61, 0}, {0, 0}}};
  for (const auto& [width, height] : kSizes) {
    for (const Bytes& file :
         {PngOfSize(width, height), JpegOfSize("rgb420.jpg", width, height),
          JpegOfSize("progressive.jpg", width, height), LossyOfSize(width, height)}) {
      EXPECT_THAT(Told(file), AnyOf(StartsWith(kSizeRefused), StartsWith(kBroken)))
          << width << " x " << height;
    }
  }
}

TEST(Decode, RefusesAHeaderThatSaysMoreThanIsThere) {
  EXPECT_THAT(Told(PngOfSize(1'000, 1'000)), AnyOf(StartsWith(kTruncated), StartsWith(kBroken)));
  EXPECT_THAT(Told(LosslessOfSize(1'000, 1'000)),
              AnyOf(StartsWith(kTruncated), StartsWith(kBroken)));
  EXPECT_THAT(Told(LossyOfSize(1'000, 1'000)), AnyOf(StartsWith(kTruncated), StartsWith(kBroken)));
  EXPECT_THAT(Told(WebpOfCanvas(1'000, 1'000, 0)),
              AnyOf(StartsWith(kTruncated), StartsWith(kBroken)));
  EXPECT_THAT(Told(WebpOfCanvas(1'000, 1'000, 2)),
              AnyOf(StartsWith(kTruncated), StartsWith(kBroken)));
}

TEST(Decode, AllowsJustWhatTheLimitsSay) {
  for (const char* const name : {"rgb.png", "interlaced.png", "odd420.jpg", "progressive.jpg",
                                 "lossy.webp", "lossless.webp"}) {
    const Bytes file = ReadGolden(name);
    EXPECT_EQ(Told(file, {}, {.max_pixels = 61 * 47, .max_side = 61}), "decoded as 61 x 47");
    for (const DecodeLimits& limits :
         {DecodeLimits{.max_pixels = 61 * 47 - 1}, DecodeLimits{.max_side = 60},
          DecodeLimits{.max_side = 0}, DecodeLimits{.max_pixels = 0}}) {
      EXPECT_THAT(Told(file, {}, limits),
                  StartsWith(std::string(kSizeRefused) + ": the picture has 61 × 47 pixels"))
          << name;
    }
  }
}

TEST(Decode, CountsPixelsAsEncodedEvenWhereTheDecoderScales) {
  EXPECT_THAT(Told(ReadGolden("large.jpg"), {.min_width = 1, .min_height = 1},
                   {.max_pixels = 640 * 480 - 1}),
              StartsWith(kSizeRefused));
}

// ---- scans, checksums, frames

/// The first scan of a progressive JPEG so many times more.
Bytes WithScans(std::size_t more) {
  Bytes file = ReadGolden("progressive.jpg");
  const std::vector<Segment> segments = JpegSegments(file);
  const auto first = std::ranges::find(segments, 0xdau, &Segment::marker);
  if (first == segments.end()) {
    ADD_FAILURE() << "no scan";
    return file;
  }
  const auto at = [&](std::size_t offset) {
    return file.begin() + static_cast<std::ptrdiff_t>(offset);
  };
  const Bytes scan(at(first->begin), at(first->end));
  for (std::size_t i = 0; i < more; ++i) file.insert(at(first->end), scan.begin(), scan.end());
  return file;
}

TEST(Decode, AllowsAProgressiveJpegJustTheScansThatTheLimitSays) {
  const Bytes file = ReadGolden("progressive.jpg");
  const auto scans =
      static_cast<int>(std::ranges::count(JpegSegments(file), 0xdau, &Segment::marker));
  ASSERT_GT(scans, 1);
  EXPECT_EQ(Told(file, {}, {.max_scans = scans}), "decoded as 61 x 47");
  EXPECT_EQ(
      Told(file, {}, {.max_scans = scans - 1}),
      std::string(kBroken) + ": broken JPEG: more than " + std::to_string(scans - 1) + " scans");
  EXPECT_EQ(Told(WithScans(3), {}, {.max_scans = scans + 3}), "decoded as 61 x 47");
}

TEST(Decode, RefusesAProgressiveJpegOfVeryManyScans) {
  EXPECT_THAT(Told(WithScans(200)),
              StartsWith(std::string(kBroken) + ": broken JPEG: more than 32 scans"));
}

TEST(Decode, RefusesAPngWhoseChecksumIsWrong) {
  Bytes file = ReadGolden("rgba.png");
  // Behind the header's 33 bytes come length, name and pixels.
  ASSERT_EQ(At(file, 37), static_cast<unsigned>('I'));
  const std::size_t length =
      At(file, 33) << 24 | At(file, 34) << 16 | At(file, 35) << 8 | At(file, 36);
  Bytes wrong = file;
  wrong[41 + length] ^= std::byte{1};
  EXPECT_THAT(Told(wrong), StartsWith(kBroken));
  wrong = file;
  wrong[29] ^= std::byte{1};
  EXPECT_THAT(Told(wrong), StartsWith(kBroken));
}

TEST(Decode, KeepsNoTextThatAPngCarries) {
  // 64 comments, of nearly 8 MiB each in memory and 8 KB in the file.
  const Bytes once = ReadGolden("text.png");
  ASSERT_EQ(At(once, 37), static_cast<unsigned>('z'));
  const std::size_t end =
      33 + 12 + (At(once, 33) << 24 | At(once, 34) << 16 | At(once, 35) << 8 | At(once, 36));
  Bytes file(once.begin(), once.begin() + 33);
  for (int i = 0; i < 64; ++i) {
    file.insert(file.end(), once.begin() + 33, once.begin() + static_cast<std::ptrdiff_t>(end));
  }
  file.insert(file.end(), once.begin() + static_cast<std::ptrdiff_t>(end), once.end());
  const auto peak_kilobytes = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const long before = peak_kilobytes();
  EXPECT_EQ(Told(file), "decoded as 1 x 1");
  EXPECT_LT(peak_kilobytes() - before, 100'000);
}

TEST(Decode, RefusesAnAnimationWhoseFrameIsNotWithinItsCanvas) {
  // At (8, 6) of 32 × 24; the frame's place follows the chunks VP8X and ANIM.
  Bytes file = ReadGolden("animated_part.webp");
  const Bytes name = BytesOf("ANMF");
  const auto found = std::ranges::search(file, name);
  ASSERT_FALSE(found.empty());
  const auto at = static_cast<std::size_t>(found.begin() - file.begin()) + 8;
  EXPECT_EQ(Told(file), "decoded as 32 x 24");
  PutLittle(file, at, 3, 9);  // in pairs of pixels: 18 + 16 are more than 32
  EXPECT_THAT(Told(file), AnyOf(StartsWith(kBroken), StartsWith(kTruncated)));
  PutLittle(file, at, 3, 0xffffff);
  EXPECT_THAT(Told(file), AnyOf(StartsWith(kBroken), StartsWith(kTruncated)));
}

// ---- EXIF

/// A TIFF of one directory with one entry, as EXIF has it.
Bytes Tiff(bool little, std::uint32_t tag, std::uint32_t type, std::uint32_t value) {
  Bytes block(26);
  const auto put = little ? PutLittle : PutBig;
  block[0] = block[1] = std::byte{little ? std::uint8_t{'I'} : std::uint8_t{'M'}};
  put(block, 2, 2, 42);
  put(block, 4, 4, 8);  // where the directory is
  put(block, 8, 2, 1);  // its entries
  put(block, 10, 2, tag);
  put(block, 12, 2, type);
  put(block, 14, 4, 1);  // values
  put(block, 18, 2, value);
  return block;
}

constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kShort = 3;

TEST(ReadOrientation, ReadsEveryOneInBothByteOrders) {
  for (std::uint32_t orientation = 1; orientation <= 8; ++orientation) {
    for (const bool little : {true, false}) {
      EXPECT_EQ(ReadOrientation(Tiff(little, kOrientationTag, kShort, orientation)),
                static_cast<int>(orientation));
    }
  }
}

TEST(ReadOrientation, FindsItBehindOtherEntriesAndBehindAGap) {
  for (const bool little : {true, false}) {
    const auto put = little ? PutLittle : PutBig;
    Bytes block = Tiff(little, 0x010f, 2, 7);
    const Bytes entry = Tiff(little, kOrientationTag, kShort, 6);
    block.insert(block.begin() + 22, entry.begin() + 10, entry.begin() + 22);
    put(block, 8, 2, 2);
    EXPECT_EQ(ReadOrientation(block), 6);
    block.insert(block.begin() + 8, 1000, std::byte{0xee});
    put(block, 4, 4, 1008);
    EXPECT_EQ(ReadOrientation(block), 6);
  }
}

TEST(ReadOrientation, TakesAnyOtherValueForNone) {
  for (const bool little : {true, false}) {
    for (const std::uint32_t value : {0u, 9u, 255u, 256u, 0x0600u, 0xffffu}) {
      EXPECT_EQ(ReadOrientation(Tiff(little, kOrientationTag, kShort, value)), 1) << value;
    }
    EXPECT_EQ(ReadOrientation(Tiff(little, kOrientationTag, 2, 6)), 1);  // text
    EXPECT_EQ(ReadOrientation(Tiff(little, 0x0113, kShort, 6)), 1);
  }
}

TEST(ReadOrientation, TakesWhatIsBrokenForNone) {
  EXPECT_EQ(ReadOrientation({}), 1);
  for (const bool little : {true, false}) {
    const auto put = little ? PutLittle : PutBig;
    const Bytes block = Tiff(little, kOrientationTag, kShort, 6);
    for (std::size_t size = 0; size < block.size(); ++size) {
      const Bytes prefix(block.begin(), block.begin() + static_cast<std::ptrdiff_t>(size));
      // All of the entry is there with 22 bytes; what follows is where the next directory is.
      EXPECT_EQ(ReadOrientation(prefix), size < 22 ? 1 : 6) << size;
    }
    for (const std::uint32_t where : {0u, 9u, 20u, 26u, 0x7fffffffu, 0xfffffff0u, 0xffffffffu}) {
      Bytes wrong = block;
      put(wrong, 4, 4, where);
      EXPECT_EQ(ReadOrientation(wrong), 1) << where;
    }
    Bytes wrong = block;
    put(wrong, 2, 2, 43);
    EXPECT_EQ(ReadOrientation(wrong), 1);
    wrong = block;
    wrong[1] = std::byte{'?'};
    EXPECT_EQ(ReadOrientation(wrong), 1);
    wrong = Tiff(little, 0x0113, kShort, 6);
    put(wrong, 8, 2, 0xffff);  // more entries than there are bytes
    EXPECT_EQ(ReadOrientation(wrong), 1);
  }
}

TEST(ReadOrientation, SurvivesEveryByteThatIsWrong) {
  const Bytes block = Tiff(true, kOrientationTag, kShort, 6);
  for (std::size_t at = 0; at < block.size(); ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      Bytes wrong = block;
      wrong[at] = static_cast<std::byte>(value);
      const int orientation = ReadOrientation(wrong);
      EXPECT_TRUE(orientation >= 1 && orientation <= 8) << value << " at " << at;
    }
  }
}

Bytes JpegWithExif(const Bytes& body) {
  Bytes file = ReadGolden("oriented1.jpg");
  // Before what else it has, so that this is the one that counts.
  Bytes segment = {std::byte{0xff}, std::byte{0xe1}, {}, {}};
  PutBig(segment, 2, 2, static_cast<std::uint32_t>(body.size() + 2));
  segment.insert(segment.end(), body.begin(), body.end());
  file.insert(file.begin() + 2, segment.begin(), segment.end());
  return file;
}

TEST(Decode, TurnsAJpegAsItsExifSays) {
  for (std::uint32_t orientation = 1; orientation <= 8; ++orientation) {
    Bytes body = BytesOf({"Exif\0\0", 6});
    const Bytes tiff = Tiff(false, kOrientationTag, kShort, orientation);
    body.insert(body.end(), tiff.begin(), tiff.end());
    EXPECT_EQ(Told(JpegWithExif(body)),
              orientation >= 5 ? "decoded as 14 x 21" : "decoded as 21 x 14")
        << orientation;
  }
}

TEST(Decode, TakesAJpegWithBrokenExifAsItIsStored) {
  for (const std::string_view body :
       {std::string_view("Exif\0\0", 6), std::string_view("Exif\0\0II", 8),
        std::string_view("Exif\0\0II*\0\xff\xff\xff\xff", 14), std::string_view("Exif"),
        std::string_view("http://ns.adobe.com/xap/1.0/"), std::string_view("")}) {
    EXPECT_EQ(Told(JpegWithExif(BytesOf(body))), "decoded as 21 x 14") << body;
  }
}

TEST(Decode, PutsEveryPixelOfATurnedPictureInItsPlace) {
  // As stored it is 21 × 14 pixels, the same for all but for what the EXIF says.
  Picture stored, turned, scratch;
  ASSERT_TRUE(Decode(ReadGolden("oriented1.jpg"), {}, {}, stored, scratch));
  ASSERT_EQ(stored.width(), 21);
  ASSERT_EQ(stored.height(), 14);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Bytes file = ReadGolden("oriented" + std::to_string(orientation) + ".jpg");
    ASSERT_TRUE(Decode(file, {}, {}, turned, scratch));
    const bool swaps = orientation >= 5;
    ASSERT_EQ(turned.width(), swaps ? 14 : 21);
    ASSERT_EQ(turned.height(), swaps ? 21 : 14);
    // Which side of what is seen row 0 and column 0 as stored are (CIPA DC-008, 4.6.4).
    const bool from_right =
        orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
    const bool from_bottom =
        orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
    int wrong = 0;
    for (std::int64_t row = 0; row < 14; ++row) {
      for (std::int64_t column = 0; column < 21; ++column) {
        const std::int64_t across = swaps ? row : column, down = swaps ? column : row;
        const std::int64_t x = from_right ? turned.width() - 1 - across : across;
        const std::int64_t y = from_bottom ? turned.height() - 1 - down : down;
        wrong += std::memcmp(turned.row(y) + 4 * x, stored.row(row) + 4 * column, 4) != 0;
      }
    }
    EXPECT_EQ(wrong, 0) << orientation;
  }
}

}  // namespace
}  // namespace muster::features::image
