// For the builds with clang, tidy and fuzz: libstdc++ 12 declares std::source_location if the compiler has a built-in that clang
// 14 lacks.
#pragma once

#if !__has_builtin(__builtin_source_location)
namespace std {
class source_location {
public:
    static constexpr source_location current(const char* file = __builtin_FILE(), unsigned line = __builtin_LINE()) noexcept
    {
        source_location here;
        here.file_ = file;
        here.line_ = line;
        return here;
    }
    constexpr const char* file_name() const noexcept { return file_; }
    constexpr unsigned line() const noexcept { return line_; }

private:
    const char* file_ = "";
    unsigned line_ = 0;
};
} // namespace std
#endif
