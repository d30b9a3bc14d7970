"use strict";

/* Our own behaviour: copying, menus that close, and parts of a page that follow along without getting in the way. */

(() => {
    /** Whether a part that refreshes by itself must hold still, because somebody is doing something with it. */
    const mustHoldStill = (part) => {
        if (document.hidden) return true;
        if (document.querySelector("details[data-menu][open]")) return true;
        const dialog = document.getElementById("modal-overlay");
        if (dialog && getComputedStyle(dialog).display !== "none") return true;
        const selection = document.getSelection();
        if (selection && !selection.isCollapsed && part.contains(selection.anchorNode)) return true;
        return part.dataset.follow === "off";
    };

    document.addEventListener("htmx:beforeRequest", (event) => {
        const live = event.target;
        if (!live.matches("[data-live]")) return;
        const part = live.closest("[data-follow]") || document.querySelector(live.dataset.live) || live;
        if (mustHoldStill(part)) event.preventDefault();
    });

    /* Who has been signed out meanwhile is answered by the login, which is a page and no part of one. */
    document.addEventListener("htmx:beforeSwap", (event) => {
        const { xhr, pathInfo } = event.detail;
        if (!xhr.responseURL || new URL(xhr.responseURL).pathname === pathInfo.requestPath.split("?")[0]) return;
        event.detail.shouldSwap = false;
        location.reload();
    });

    /* Of a column that refreshes, only the panels that differ are replaced: scrolling and focus in the others stay. */
    document.addEventListener("htmx:oobBeforeSwap", (event) => {
        const { target, fragment } = event.detail;
        const column = fragment.firstElementChild;
        if (!column || !target.matches(".op-column")) return;
        event.detail.shouldSwap = false;
        const panels = [...column.children];
        panels.forEach((panel, place) => {
            const shown = target.children[place];
            if (!shown) target.append(panel);
            else if (!shown.isEqualNode(panel)) shown.replaceWith(panel);
        });
        while (target.children.length > panels.length) target.lastElementChild.remove();
    });

    document.addEventListener("click", (event) => {
        for (const menu of document.querySelectorAll("details[data-menu][open]")) {
            if (!menu.contains(event.target)) menu.open = false;
        }
        const copy = event.target.closest("[data-copy]");
        if (copy) copyText(copy);
    });

    document.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        for (const menu of document.querySelectorAll("details[data-menu][open]")) menu.open = false;
    });

    const copyText = async (button) => {
        const source = document.querySelector(button.dataset.copy);
        try {
            await navigator.clipboard.writeText(source.textContent);
            button.lastChild.textContent = "Copied";
        } catch {
            // Without HTTPS a page may not write to the clipboard: mark the text, so that one keystroke copies it.
            document.getSelection().selectAllChildren(source);
        }
    };

    /* A form is sent once, however often its button is pressed. */

    document.addEventListener("submit", (event) => {
        const form = event.target;
        if (form.method !== "post" || !form.matches(".op-panel form")) return;
        if (form.dataset.sent) event.preventDefault();
        form.dataset.sent = "yes";
    });

    window.addEventListener("pageshow", (event) => {
        if (!event.persisted) return;
        for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    });

    /* The log: it follows its end while the reader is there, and holds still while they read further up. */

    const MOST_LINES = 5000;
    const panelOf = (element) => element.closest && element.closest("[data-log]");
    const scrollerOf = (panel) => panel.querySelector("[data-log-scroll]");
    const isAtEnd = (scroller) => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 40;

    const follow = (panel, isOn) => {
        panel.dataset.follow = isOn ? "on" : "off";
        panel.querySelector("[data-log-paused]").hidden = isOn || !panel.querySelector(".op-log-tail");
    };

    document.addEventListener("scroll", (event) => {
        if (event.target.matches && event.target.matches("[data-log-scroll]")) follow(panelOf(event.target), isAtEnd(event.target));
    }, true);

    document.addEventListener("htmx:beforeSwap", (event) => {
        const panel = panelOf(event.target);
        if (panel) panel.heightBefore = scrollerOf(panel).scrollHeight;
    });

    document.addEventListener("htmx:afterSwap", (event) => {
        const panel = panelOf(event.target) || document.querySelector("[data-log]");
        if (!panel || !panelOf(event.detail.elt || event.target)) return;
        const scroller = scrollerOf(panel);
        const asked = event.detail.requestConfig && event.detail.requestConfig.elt;
        const jump = asked && asked.dataset.logJump;
        if (asked && asked.matches("[data-log-earlier]")) scroller.scrollTop += scroller.scrollHeight - panel.heightBefore;
        else if (jump === "start") scroller.scrollTop = 0;
        else if (jump === "end" || panel.dataset.follow === "on") scroller.scrollTop = scroller.scrollHeight;
        if (jump) follow(panel, jump === "end");
        if (panel.dataset.follow === "on") dropOldest(panel);
    });

    const dropOldest = (panel) => {
        const lines = panel.querySelectorAll("#log-lines > p");
        for (let place = 0; place < lines.length - MOST_LINES; place += 1) lines[place].remove();
    };

    document.addEventListener("change", (event) => {
        if (event.target.matches("[data-log-level]")) panelOf(event.target).dataset.least = event.target.value;
    });

    document.addEventListener("click", (event) => {
        if (!event.target.matches("[data-log-resume]")) return;
        const panel = panelOf(event.target);
        const scroller = scrollerOf(panel);
        scroller.scrollTop = scroller.scrollHeight;
        follow(panel, true);
    });

    /* A page that shows a secret answers the request that made it. Loading it again must not repeat that request. */
    const leaveAddress = () => {
        const page = document.querySelector("[data-address]");
        if (page) history.replaceState(null, "", page.dataset.address);
    };

    /* Unfold's script looks for a text field beside each file input. Ours has none: say that it is seen to already. */
    const keepFileInputs = () => {
        for (const input of document.querySelectorAll("input.op-file")) input.hasChangeListener = true;
    };

    window.addEventListener("DOMContentLoaded", () => {
        leaveAddress();
        keepFileInputs();
    });
})();
