"""What people type, as it is shown."""

from app.traits.chatter.prose import prose


def test_html_is_text() -> None:
    assert prose("<b>bold</b> & <script>") == "<p>&lt;b&gt;bold&lt;/b&gt; &amp; &lt;script&gt;</p>"


def test_lines_and_paragraphs_are_kept() -> None:
    assert prose("one\ntwo\n\n\nthree") == "<p>one<br>\ntwo</p>\n<p>three</p>"


def test_addresses_become_links_without_the_full_stop() -> None:
    shown = prose("See https://example.org/a_(b)?x=1&y=2. Or (http://example.org).")
    assert 'href="https://example.org/a_(b)?x=1&amp;y=2" rel="noopener noreferrer nofollow"' in shown
    assert '<a href="http://example.org" ' in shown
    assert "</a>)." in shown


def test_only_http_addresses_are_links() -> None:
    assert "<a" not in prose("javascript:alert(1) data:text/html,x ftp://example.org mailto:a@b.example")


def test_an_address_cannot_leave_its_attribute() -> None:
    shown = prose('https://example.org/"onmouseover="alert(1)')
    assert shown.count("<a ") == 1
    assert 'onmouseover="' not in shown


def test_names_are_picked_out_beside_links_but_not_in_them() -> None:
    shown = prose("@Joe Kazan see https://example.org/@Joe", [(1, "Joe Kazan")])
    assert '<span class="at">@Joe Kazan</span>' in shown
    assert shown.count('class="at"') == 1
