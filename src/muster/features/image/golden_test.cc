// Holds decoding and scaling to what Pillow makes of the same pictures: see
// tests/images/make_golden.py.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <ostream>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "muster/features/image/decode.h"
#include "muster/features/image/image_plan.h"
#include "muster/features/image/resize.h"

namespace muster::features::image {
namespace {

using model::ImageOptions;
using nlohmann::json;
using tensor::DType;

const std::string kFolder = std::string(MUSTER_SOURCE_DIR) + "/tests/images/golden/";

// Equal bit by bit, lossy formats too: libwebp's decoder is exact by its specification, and the
// accurate DCT and the smooth upsampling of libjpeg-turbo have been the same integers since 2.0.
// Another libjpeg (IJG's from 7 on scales in the DCT) would need 1 or more here.
constexpr int kLargestDecodeDifference = 0;

// The formula is computed here in single precision; the rest is rounding.
constexpr float kLargestFloatDifference = 1e-6f;

// Of a JPEG decoded to a part of its size from one decoded whole, in steps of 255.
constexpr double kMeanScaledDifference = 1.5;
constexpr int kLargestScaledDifference = 16;

constexpr float kMean[] = {0.485f, 0.456f, 0.406f};
constexpr float kStd[] = {0.229f, 0.224f, 0.225f};

std::vector<std::byte> ReadFile(const std::string& name) {
  std::ifstream file(kFolder + name, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::byte> bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

struct GoldenCase {
  std::string name;
  std::string file;
  json options;
  std::int64_t width = 0;
  std::int64_t height = 0;
  int channels = 0;
  std::string expected;

  std::vector<std::uint8_t> Expected() const {
    const std::vector<std::byte> bytes = ReadFile(expected);
    std::vector<std::uint8_t> samples(bytes.size());
    if (!bytes.empty()) std::memcpy(samples.data(), bytes.data(), bytes.size());
    return samples;
  }
  std::size_t samples() const { return static_cast<std::size_t>(width * height * channels); }
};

void PrintTo(const GoldenCase& golden, std::ostream* out) {
  *out << golden.file << " as " << golden.expected;
}

/// None where the file is missing, which fails as a suite without cases.
std::vector<GoldenCase> Cases(const std::string& what) {
  std::ifstream file(kFolder + "golden.json");
  const json list = json::parse(file, nullptr, /*allow_exceptions=*/false);
  std::vector<GoldenCase> cases;
  if (!list.is_array()) return cases;
  for (const json& entry : list) {
    if (entry["what"].get<std::string>() != what) continue;
    GoldenCase golden;
    golden.name = entry["name"].get<std::string>();
    golden.file = entry["file"].get<std::string>();
    golden.options = entry["options"];
    golden.width = entry["width"].get<std::int64_t>();
    golden.height = entry["height"].get<std::int64_t>();
    golden.channels = entry["channels"].get<int>();
    golden.expected = entry["expected"].get<std::string>();
    cases.push_back(std::move(golden));
  }
  return cases;
}

std::string NameOf(const testing::TestParamInfo<GoldenCase>& info) { return info.param.name; }

ImageOptions::Filter FilterOf(const GoldenCase& golden) {
  const std::string name = golden.options["filter"].get<std::string>();
  if (name == "box") return ImageOptions::Filter::kBox;
  if (name == "bicubic") return ImageOptions::Filter::kBicubic;
  if (name == "lanczos") return ImageOptions::Filter::kLanczos;
  return ImageOptions::Filter::kTriangle;
}

ImageOptions OptionsOf(const GoldenCase& golden) {
  const json& said = golden.options;
  const std::string fit = said["fit"].get<std::string>();
  ImageOptions options;
  if (fit == "crop") options.fit = ImageOptions::Fit::kCrop;
  if (fit == "pad") options.fit = ImageOptions::Fit::kPad;
  options.filter = FilterOf(golden);
  options.resize = said.value("resize", 0);
  if (said.contains("background")) {
    options.background = said["background"].get<std::array<std::uint8_t, 3>>();
  }
  if (said.contains("channels")) options.channels = ImageOptions::Channels::kGrey;
  return options;
}

enum class Layout { kNchw, kNhwc };

model::ModelSpec SpecFor(DType dtype, Layout layout, std::int64_t channels, std::int64_t height,
                         std::int64_t width) {
  model::ModelSpec spec;
  const model::Dim rows{model::Dim::kDynamic, "N"};
  std::vector<model::Dim> dims = {rows, {height}, {width}};
  dims.insert(layout == Layout::kNchw ? dims.begin() + 1 : dims.end(), model::Dim{channels});
  spec.inputs = {{"pixels", dtype, dims}};
  spec.outputs = {{"probabilities", DType::kFp32, {rows, {10}}}};
  model::DeriveBatchAxis(spec);
  return spec;
}

template <class T>
constexpr DType kTypeOf = std::is_same_v<T, float> ? DType::kFp32 : DType::kUint8;

/// The row that a model of the case's size gets, or none and a failed test.
template <class T>
std::vector<T> Row(const GoldenCase& golden, ImageOptions options, Layout layout,
                   ImageScratch& scratch, const Encoded& picture) {
  // Said, since a side of 1 or 3 pixels would pass for the channels.
  options.layout =
      layout == Layout::kNchw ? ImageOptions::Layout::kNchw : ImageOptions::Layout::kNhwc;
  const auto plan = ImagePlan::Make(
      options, SpecFor(kTypeOf<T>, layout, golden.channels, golden.height, golden.width));
  if (!plan) {
    ADD_FAILURE() << plan.error().ToString();
    return {};
  }
  EXPECT_EQ(plan->dtype(), kTypeOf<T>);
  EXPECT_EQ(plan->row_bytes(), golden.samples() * sizeof(T));
  std::vector<T> row(golden.samples());
  const base::Status status =
      plan->Prepare(picture, {}, reinterpret_cast<std::byte*>(row.data()), scratch);
  if (!status) {
    ADD_FAILURE() << status.error().ToString();
    return {};
  }
  return row;
}

template <class T>
std::vector<T> Row(const GoldenCase& golden, const ImageOptions& options, Layout layout) {
  const std::vector<std::byte> file = ReadFile(golden.file);
  ImageScratch scratch;
  return Row<T>(golden, options, layout, scratch, {.bytes = file});
}

struct Difference {
  double mean = 0;
  int largest = 0;
};

Difference Between(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  Difference difference;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const int one = std::abs(int{a[i]} - int{b[i]});
    difference.mean += one;
    difference.largest = std::max(difference.largest, one);
  }
  difference.mean /= static_cast<double>(a.size());
  return difference;
}

/// The samples of `picture` as [height, width, channels], without a fourth that is not asked for.
std::vector<std::uint8_t> SamplesOf(const Picture& picture, int channels) {
  std::vector<std::uint8_t> samples;
  for (std::int64_t y = 0; y < picture.height(); ++y) {
    for (std::int64_t x = 0; x < picture.width(); ++x) {
      const std::uint8_t* const pixel = picture.row(y) + x * picture.channels();
      samples.insert(samples.end(), pixel, pixel + std::min(channels, picture.channels()));
    }
  }
  return samples;
}

Picture DecodedWhole(const std::string& file) {
  Picture picture, scratch;
  const base::Status status = Decode(ReadFile(file), {}, {}, picture, scratch);
  if (!status) ADD_FAILURE() << file << ": " << status.error().ToString();
  return picture;
}

class DecodeGolden : public testing::TestWithParam<GoldenCase> {};

TEST_P(DecodeGolden, EqualsPillow) {
  const GoldenCase& golden = GetParam();
  const std::vector<std::uint8_t> expected = golden.Expected();
  ASSERT_EQ(expected.size(), golden.samples());
  const Picture picture = DecodedWhole(golden.file);
  ASSERT_EQ(picture.width(), golden.width);
  ASSERT_EQ(picture.height(), golden.height);
  ASSERT_EQ(picture.channels(), golden.channels == 1 ? 1 : 4);
  if (golden.channels == 4) {
    EXPECT_TRUE(picture.has_alpha);
  }
  const Difference difference = Between(SamplesOf(picture, golden.channels), expected);
  EXPECT_LE(difference.largest, kLargestDecodeDifference) << "mean " << difference.mean;
}

INSTANTIATE_TEST_SUITE_P(Golden, DecodeGolden, testing::ValuesIn(Cases("decode")), NameOf);

class ResizeGolden : public testing::TestWithParam<GoldenCase> {};

TEST_P(ResizeGolden, EqualsPillowBitByBit) {
  const GoldenCase& golden = GetParam();
  const Picture picture = DecodedWhole(golden.file);
  Picture out;
  ResizeScratch scratch;
  Resize(picture, golden.width, golden.height, FilterOf(golden),
         {0, 0, golden.width, golden.height}, out, scratch);
  ASSERT_EQ(out.width(), golden.width);
  ASSERT_EQ(out.height(), golden.height);
  EXPECT_EQ(SamplesOf(out, golden.channels), golden.Expected());
}

TEST_P(ResizeGolden, AWindowIsAPartOfTheWhole) {
  const GoldenCase& golden = GetParam();
  const Picture picture = DecodedWhole(golden.file);
  const std::vector<std::uint8_t> whole = golden.Expected();
  Picture out;
  ResizeScratch scratch;
  for (const std::int64_t cut : {0, 1, 3}) {
    const Window window = {golden.width * cut / 7, golden.height * cut / 5,
                           std::max<std::int64_t>(golden.width / (cut + 1), 1),
                           std::max<std::int64_t>(golden.height / (cut + 1), 1)};
    Resize(picture, golden.width, golden.height, FilterOf(golden), window, out, scratch);
    std::vector<std::uint8_t> expected;
    for (std::int64_t y = window.y; y < window.y + window.height; ++y) {
      const auto row = whole.begin() + (y * golden.width + window.x) * golden.channels;
      expected.insert(expected.end(), row, row + window.width * golden.channels);
    }
    EXPECT_EQ(SamplesOf(out, golden.channels), expected) << cut;
  }
}

/// Those that say nothing but how to scale.
std::vector<GoldenCase> OnlyScaled() {
  std::vector<GoldenCase> cases = Cases("resize");
  std::erase_if(cases, [](const GoldenCase& golden) {
    const json& said = golden.options;
    return said["fit"].get<std::string>() != "stretch" || said.contains("background") ||
           said.contains("channels");
  });
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Golden, ResizeGolden, testing::ValuesIn(OnlyScaled()), NameOf);

class PlanGolden : public testing::TestWithParam<GoldenCase> {};

TEST_P(PlanGolden, GivesThePixelsOfPillowAsBytes) {
  const GoldenCase& golden = GetParam();
  EXPECT_EQ(Row<std::uint8_t>(golden, OptionsOf(golden), Layout::kNhwc), golden.Expected());
}

TEST_P(PlanGolden, GivesThePixelsOfPillowNormalisedByChannel) {
  const GoldenCase& golden = GetParam();
  ImageOptions options = OptionsOf(golden);
  options.mean = {0.485, 0.456, 0.406};
  options.std = {0.229, 0.224, 0.225};
  options.mean.resize(static_cast<std::size_t>(golden.channels));
  options.std.resize(static_cast<std::size_t>(golden.channels));
  const std::vector<float> row = Row<float>(golden, options, Layout::kNchw);
  const std::vector<std::uint8_t> pixels = golden.Expected();
  ASSERT_EQ(row.size(), pixels.size());
  const auto channels = static_cast<std::size_t>(golden.channels);
  const std::size_t plane = pixels.size() / channels;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const std::size_t c = i % channels;
    const float expected = (static_cast<float>(pixels[i]) * (1.0f / 255) - kMean[c]) / kStd[c];
    ASSERT_NEAR(row[c * plane + i / channels], expected, kLargestFloatDifference)
        << "pixel " << i / channels << ", channel " << c;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, PlanGolden, testing::ValuesIn(Cases("resize")), NameOf);

class ScaledGolden : public testing::TestWithParam<GoldenCase> {};

TEST_P(ScaledGolden, IsCloseToPillowWhereTheDecoderScales) {
  const GoldenCase& golden = GetParam();
  const std::vector<std::uint8_t> row = Row<std::uint8_t>(golden, OptionsOf(golden), Layout::kNhwc);
  const std::vector<std::uint8_t> expected = golden.Expected();
  ASSERT_EQ(row.size(), expected.size());
  const Difference difference = Between(row, expected);
  EXPECT_LE(difference.mean, kMeanScaledDifference);
  EXPECT_LE(difference.largest, kLargestScaledDifference);
  // Or it was decoded whole, and this would test nothing.
  EXPECT_GT(difference.largest, 0);
}

TEST_P(ScaledGolden, EqualsPillowWhereTheDecoderMayNotScale) {
  const GoldenCase& golden = GetParam();
  ImageOptions options = OptionsOf(golden);
  options.scaled_decoding = false;
  const std::vector<std::uint8_t> row = Row<std::uint8_t>(golden, options, Layout::kNhwc);
  const std::vector<std::uint8_t> expected = golden.Expected();
  ASSERT_EQ(row.size(), expected.size());
  EXPECT_LE(Between(row, expected).largest, kLargestDecodeDifference);
}

INSTANTIATE_TEST_SUITE_P(Golden, ScaledGolden, testing::ValuesIn(Cases("scaled")), NameOf);

std::string SizeOf(const std::string& file, std::int64_t min_width, std::int64_t min_height) {
  Picture picture, scratch;
  const base::Status status = Decode(
      ReadFile(file), {.min_width = min_width, .min_height = min_height}, {}, picture, scratch);
  if (!status) return status.error().ToString();
  return std::to_string(picture.width()) + " x " + std::to_string(picture.height());
}

TEST(ScaledDecoding, TakesTheSmallestThatIsLargeEnoughEitherWay) {
  EXPECT_EQ(SizeOf("large.jpg", 0, 0), "640 x 480");
  EXPECT_EQ(SizeOf("large.jpg", 321, 1), "640 x 480");
  EXPECT_EQ(SizeOf("large.jpg", 320, 240), "320 x 240");
  EXPECT_EQ(SizeOf("large.jpg", 1, 240), "320 x 240");
  EXPECT_EQ(SizeOf("large.jpg", 1, 121), "320 x 240");
  EXPECT_EQ(SizeOf("large.jpg", 160, 120), "160 x 120");
  EXPECT_EQ(SizeOf("large.jpg", 81, 60), "160 x 120");
  EXPECT_EQ(SizeOf("large.jpg", 80, 60), "80 x 60");
  EXPECT_EQ(SizeOf("large.jpg", 1, 1), "80 x 60");
}

TEST(ScaledDecoding, CountsPixelsAsTheViewerSeesThem) {
  EXPECT_EQ(SizeOf("large_oriented6.jpg", 0, 0), "240 x 320");
  EXPECT_EQ(SizeOf("large_oriented6.jpg", 60, 80), "60 x 80");
  EXPECT_EQ(SizeOf("large_oriented6.jpg", 80, 60), "120 x 160");
}

TEST(ScaledDecoding, LeavesOtherFormatsAsTheyAre) {
  EXPECT_EQ(SizeOf("rgb.png", 1, 1), "61 x 47");
  EXPECT_EQ(SizeOf("lossy.webp", 1, 1), "61 x 47");
}

GoldenCase CaseNamed(const std::string& what, const std::string& name) {
  for (GoldenCase& golden : Cases(what)) {
    if (golden.name == name) return golden;
  }
  ADD_FAILURE() << "no case " << name;
  return {};
}

TEST(ImagePlanGolden, GivesTheSameWithMemoryThatOtherPicturesLeft) {
  ImageScratch scratch;
  for (int round = 0; round < 2; ++round) {
    for (const GoldenCase& golden : Cases("resize")) {
      const std::vector<std::byte> file = ReadFile(golden.file);
      EXPECT_EQ(
          Row<std::uint8_t>(golden, OptionsOf(golden), Layout::kNhwc, scratch, {.bytes = file}),
          golden.Expected())
          << golden.name;
    }
  }
}

TEST(ImagePlanGolden, TakesBase64AsItTakesTheFile) {
  const GoldenCase golden = CaseNamed("decode", "decode_one_png");
  // As `base64 one.png` writes it.
  const std::vector<std::byte> file = ReadFile(golden.file);
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t bit = 0; bit < file.size() * 8; bit += 6) {
    std::size_t digit = 0;
    for (std::size_t i = bit; i < bit + 6; ++i) {
      const auto byte = i / 8 < file.size() ? std::to_integer<std::size_t>(file[i / 8]) : 0;
      digit = digit << 1 | ((byte >> (7 - i % 8)) & 1);
    }
    text += alphabet[digit];
  }
  while (text.size() % 4 != 0) text += '=';
  ImageScratch scratch;
  const Encoded encoded = {.bytes = std::as_bytes(std::span(text)), .base64 = true};
  EXPECT_EQ(Row<std::uint8_t>(golden, {}, Layout::kNhwc, scratch, encoded), golden.Expected());
}

TEST(ImagePlanGolden, TurnsRedAndBlueAboutForBgr) {
  const GoldenCase golden = CaseNamed("resize", "crop_triangle_rgb");
  ImageOptions options = OptionsOf(golden);
  options.channels = ImageOptions::Channels::kBgr;
  std::vector<std::uint8_t> expected = golden.Expected();
  for (std::size_t i = 0; i + 2 < expected.size(); i += 3) std::swap(expected[i], expected[i + 2]);
  EXPECT_EQ(Row<std::uint8_t>(golden, options, Layout::kNhwc), expected);
}

TEST(ImagePlanGolden, InvertsEverySample) {
  const GoldenCase golden = CaseNamed("resize", "stretch_triangle_24x17");
  ImageOptions options = OptionsOf(golden);
  options.invert = ImageOptions::Choice::kYes;
  std::vector<std::uint8_t> expected = golden.Expected();
  for (std::uint8_t& sample : expected) sample = static_cast<std::uint8_t>(255 - sample);
  EXPECT_EQ(Row<std::uint8_t>(golden, options, Layout::kNhwc), expected);
}

TEST(ImagePlanGolden, GivesGreyToAllThreeChannels) {
  GoldenCase golden = CaseNamed("resize", "stretch_triangle_grey");
  ASSERT_EQ(golden.channels, 1);
  const std::vector<std::uint8_t> grey = golden.Expected();
  golden.channels = 3;
  const std::vector<std::uint8_t> row = Row<std::uint8_t>(golden, OptionsOf(golden), Layout::kNchw);
  std::vector<std::uint8_t> expected;
  for (int c = 0; c < 3; ++c) expected.insert(expected.end(), grey.begin(), grey.end());
  EXPECT_EQ(row, expected);
}

}  // namespace
}  // namespace muster::features::image
