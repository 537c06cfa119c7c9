// From a query of a client's to its answer, whatever it came by: judged, asked outside, judged again, pinned.
#pragma once

#include "daemon/names/pin_book.hpp"
#include "daemon/names/resolver_client.hpp"

namespace tapioca {

class name_answers {
public:
    static constexpr std::size_t most_octets = 65535;

    struct means {
        std::function<const forwarding&()> network; ///< with the policy; without one nothing is denied
        resolver_client& resolvers;
        pin_book& pins;
        std::function<void()> on_pinned; ///< the table may have to be made anew
    };
    explicit name_answers(means m) : means_(std::move(m)), room_(most_octets) {}

    enum class transport : std::uint8_t { datagram, stream };
    /// `answer` is called once, perhaps from inside; with nothing if that was no query. The octets are valid during the call.
    using answered = std::function<void(bytes_view answer)>;
    void take(bytes_view query, transport by, answered answer);

private:
    struct waiting {
        wire::dns_query query;
        transport by;
        answered answer;
    };
    [[nodiscard]] std::shared_ptr<const egress_policy> policy() const;
    void ask(waiting w);
    void on_reply(const waiting& w, const wire::dns_reply* reply);
    /// The answer that `make` writes, if it fits.
    void send(const waiting& w, wire::rcode rcode, const std::function<std::size_t(bytes_span)>& make);

    means means_;
    std::vector<octet> room_;
};

} // namespace tapioca
