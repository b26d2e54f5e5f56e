#include "muster/server/codec/multipart.h"

#include <gtest/gtest.h>
#include <string>

namespace muster::server::codec {
namespace {

constexpr std::string_view kType = "multipart/form-data; boundary=xyz";

std::string FileOf(std::string_view body, std::string_view type = kType) {
  const auto file = FileOfForm(std::as_bytes(std::span(body)), type);
  if (!file) {
    EXPECT_EQ(file.error().Reason(), "MULTIPART");
    return "error: " + file.error().message;
  }
  return {reinterpret_cast<const char*>(file->data()), file->size()};
}

std::string Part(std::string_view disposition, std::string_view content) {
  return "--xyz\r\nContent-Disposition: form-data; " + std::string(disposition) +
         "\r\nContent-Type: image/png\r\n\r\n" + std::string(content) + "\r\n";
}

TEST(Multipart, GivesTheOnlyFile) {
  EXPECT_EQ(FileOf(Part(R"(name="image"; filename="a.png")", "bytes") + "--xyz--\r\n"), "bytes");
}

TEST(Multipart, TakesEveryByteOfTheFileAsItIs) {
  const std::string bytes("\r\n--xy\0\r\n\r\n--", 14);
  EXPECT_EQ(FileOf(Part(R"(name=image; filename=a)", bytes) + "--xyz--"), bytes);
}

TEST(Multipart, TakesAnEmptyFile) {
  EXPECT_EQ(FileOf(Part(R"(name="i"; filename="")", "") + "--xyz--"), "");
}

TEST(Multipart, TakesAQuotedBoundary) {
  EXPECT_EQ(FileOf(Part(R"(name="i"; filename="a")", "b") + "--xyz--",
                   R"(Multipart/Form-Data; charset=utf-8; Boundary="xyz")"),
            "b");
}

TEST(Multipart, WantsOneFileAndNothingElse) {
  const std::string file = Part(R"(name="i"; filename="a")", "b");
  EXPECT_NE(FileOf(file + file + "--xyz--").find("several"), std::string::npos);
  EXPECT_NE(FileOf(Part(R"(name="top_k")", "3") + file + "--xyz--").find("`top_k`"),
            std::string::npos);
  EXPECT_NE(FileOf("--xyz--").find("got none"), std::string::npos);
}

TEST(Multipart, RefusesWhatIsNotClosed) {
  const std::string whole = Part(R"(name="i"; filename="a")", "bytes") + "--xyz--";
  for (std::size_t size = 0; size + 2 <= whole.size(); ++size) {
    if (size == whole.size() - 1) continue;  // one '-' short is checked below
    EXPECT_TRUE(FileOf(whole.substr(0, size)).starts_with("error: ")) << size;
  }
  EXPECT_TRUE(FileOf(whole.substr(0, whole.size() - 1)).starts_with("error: "));
}

TEST(Multipart, WantsABoundary) {
  EXPECT_TRUE(FileOf("--xyz--", "multipart/form-data").starts_with("error: "));
  EXPECT_TRUE(FileOf("--xyz--", "multipart/form-data; boundary=").starts_with("error: "));
  EXPECT_TRUE(FileOf("--xyz--", "multipart/form-data; boundary=" + std::string(71, 'x'))
                  .starts_with("error: "));
}

}  // namespace
}  // namespace muster::server::codec
