#include "daemon/control/policy_calls.hpp"

#include "tests/support/catch.hpp"

namespace tapioca {
namespace {

auto parse(const char* parameters) { return parse_policy_files(boost::json::parse(parameters).as_object()); }

TEST_CASE("files come with their names, in their order")
{
    const auto files = parse(R"({"files": [{"name": "a.toml", "text": "profile = \"no-lan\"\n"}, {"name": "/b", "text": ""}]})");
    REQUIRE(files);
    REQUIRE(files->size() == 2);
    CHECK((*files)[0].name == "a.toml");
    CHECK((*files)[0].text == "profile = \"no-lan\"\n");
    CHECK((*files)[1].name == "/b");
}

TEST_CASE("what are no files is refused")
{
    for (const auto* wrong :
         {"{}", R"({"files": []})", R"({"files": "a"})", R"({"files": ["a"]})", R"({"files": [{"name": "a"}]})",
          R"({"files": [{"text": "a"}]})", R"({"files": [{"name": "", "text": "a"}]})",
          R"({"files": [{"name": "a\nb", "text": "a"}]})", R"({"files": [{"name": 1, "text": "a"}]})"})
        CHECK_FALSE(parse(wrong));
    boost::json::array many(65, boost::json::object{{"name", "a"}, {"text", ""}});
    CHECK_FALSE(parse_policy_files({{"files", many}}));
    CHECK_FALSE(parse_policy_files({{"files", {{{"name", std::string(5000, 'a')}, {"text", ""}}}}}));
}

} // namespace
} // namespace tapioca
