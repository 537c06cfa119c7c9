#include "daemon/policy/policy_files.hpp"

#include "daemon/os/error.hpp"
#include "daemon/policy/compile_policy.hpp"
#include "daemon/policy/policy_check.hpp"
#include "daemon/policy/policy_words.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace tapioca {
namespace {

constexpr std::size_t largest_file = 1048576;
constexpr std::string_view suffix = ".toml";

bool is_path(std::string_view word) { return word.find('/') != word.npos || word.ends_with(suffix); }

bool is_file_name(std::string_view word)
{
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    };
    return !word.empty() && word.front() != '.' && std::ranges::all_of(word, fits);
}

/// One octet more than the largest, if there are that many.
os::result<std::string> text_of_file(const std::string& path)
{
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::fopen(path.c_str(), "re"), &std::fclose};
    if (!file)
        return os::last_error();
    std::string text;
    char piece[4096];
    while (text.size() <= largest_file) {
        const auto count = std::fread(piece, 1, sizeof piece, file.get());
        if (count == 0)
            break;
        text.append(piece, count);
    }
    if (std::ferror(file.get()) != 0)
        return os::last_error();
    return text;
}

bool is_open(const egress_policy& policy)
{
    return policy.profile == egress_profile::open && policy.rules.empty() && policy.limits == egress_limits{};
}

class word_reader {
public:
    word_reader(const policy_directories& where, policy_findings& findings) : where_(where), findings_(findings) {}

    void take(const std::string& word)
    {
        if (const auto profile = profile_of(word))
            found_.push_back({word, "profile = \"" + word + "\"\n"});
        else if (is_path(word))
            read_path(word);
        else
            read_name(word);
    }
    [[nodiscard]] std::vector<policy_text> result() { return std::move(found_); }

private:
    void refuse(const std::string& word, std::string what, std::string cure)
    {
        findings_.error({"--egress", 0, {}}, word, std::move(what), std::move(cure));
    }

    void read_path(const std::string& path)
    {
        auto text = text_of_file(path);
        if (text)
            take_text(path, std::move(*text));
        else
            refuse(path, "the file cannot be read: " + text.error().message(), "write a profile, a name or the path of a file");
    }

    void take_text(const std::string& path, std::string text)
    {
        if (text.size() > largest_file)
            refuse(path, "the file is larger than 1 MiB", "networks say much in few rules");
        else
            found_.push_back({path, std::move(text)});
    }

    void read_name(const std::string& name)
    {
        const auto profiles = "profiles are " + profile_words();
        if (!is_file_name(name))
            return refuse(name, "it is neither a profile nor the name of a file", profiles + ", and a path has a slash");
        std::string tried;
        for (const auto& directory : {where_.system, where_.user}) {
            if (directory.empty())
                continue;
            const auto path = directory + '/' + name + std::string{suffix};
            auto text = text_of_file(path);
            if (text)
                return take_text(path, std::move(*text));
            if (text.error().value() != ENOENT && text.error().value() != ENOTDIR)
                return refuse(name, path + " cannot be read: " + text.error().message(),
                              "make it readable, or give another name");
            tried += (tried.empty() ? "" : " nor ") + path;
        }
        refuse(name, "there is no such profile, and no file " + tried, profiles);
    }

    const policy_directories& where_;
    policy_findings& findings_;
    std::vector<policy_text> found_;
};

} // namespace

policy_directories directories_of_user()
{
    policy_directories where;
    const char *config = std::getenv("XDG_CONFIG_HOME"), *home = std::getenv("HOME");
    if (config != nullptr && *config == '/')
        where.user = std::string{config} + "/tapioca/egress";
    else if (home != nullptr && *home == '/')
        where.user = std::string{home} + "/.config/tapioca/egress";
    return where;
}

std::vector<policy_text> texts_of(std::span<const std::string> words, const policy_directories& where, policy_findings& findings)
{
    word_reader reader{where, findings};
    for (const auto& word : words)
        reader.take(word);
    return reader.result();
}

written_policy read_texts(std::span<const policy_text> texts, policy_findings& findings, name_libraries use)
{
    std::vector<written_policy> found;
    for (const auto& [name, text] : texts)
        found.push_back(read_policy(text, name, findings, use));
    return joined(std::move(found));
}

written_policy read_policies(std::span<const std::string> words, const policy_directories& where, policy_findings& findings)
{
    return read_texts(texts_of(words, where, findings), findings);
}

std::shared_ptr<const egress_policy> ready_policy(const written_policy& written, policy_findings& findings, name_libraries use)
{
    if (findings.has_errors())
        return nullptr;
    check_policy(written, findings, use);
    if (findings.has_errors())
        return nullptr;
    auto compiled = compile_policy(written, findings);
    if (findings.has_errors() || is_open(compiled))
        return nullptr;
    return std::make_shared<const egress_policy>(std::move(compiled));
}

std::shared_ptr<const egress_policy> load_policies(std::span<const std::string> words, const policy_directories& where,
                                                   policy_findings& findings)
{
    return ready_policy(read_policies(words, where, findings), findings);
}

} // namespace tapioca
